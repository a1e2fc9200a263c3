"""The name under which this machine's Airflow processes know each other."""


def loopback() -> str:
    """Answer ``127.0.0.1``, as Airflow's ``[core] hostname_callable``.

    The default asks the resolver for a fully qualified name: a network call, slow where DNS is, for processes that
    only ever talk over loopback.
    """
    return "127.0.0.1"
