"""``setpoint event``: send one, see what came in, read again what could not be read."""
