"""What goes wrong in the gate itself, apart from the libraries it uses."""


class GateError(Exception):
    """The gate itself failed, so nothing is known about the batch. Nobody may act on it."""
