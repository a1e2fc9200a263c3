"""The ``setpoint`` command: one file per command, imported when it is run or its help is shown."""
