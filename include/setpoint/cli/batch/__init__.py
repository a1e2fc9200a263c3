"""``setpoint batch``: metric batches, and why some lie in quarantine."""
