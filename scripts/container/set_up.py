"""The one-off job before the other services start: both databases migrated, the admin's password in place.

Run again it brings an older deployment up to date.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from setpoint_airflow.ledger import open_ledger


def write_password() -> None:
    """Put ``AIRFLOW_ADMIN_PASSWORD`` where Airflow's simple auth manager reads it."""
    path = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}, file)


def main() -> int:
    """Do it all, and return the exit status."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
    with open_ledger() as ledger:
        sys.stdout.write(f"the ledger is ready: {ledger.url}\n")
    write_password()
    return 0


if __name__ == "__main__":
    sys.exit(main())
