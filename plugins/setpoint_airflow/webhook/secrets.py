"""The senders' secrets: passwords of Airflow connections, from whichever backend keeps those."""

from __future__ import annotations

import time
from typing import Any

from setpoint.events.senders import WithSecret
from setpoint.events.signatures import LEAST_SECRET

SECRET_SECONDS = 30.0
"""How long a secret is remembered; a changed one counts after this at the latest."""
NO_SECRET_SECONDS = 5.0
"""How long it is remembered that there is none, so that nobody can make us ask a secrets backend all the time."""


class NotReadyError(Exception):
    """Something on our side is missing, or does not answer; the text, for the log, says what to do."""


class Secrets:
    """Looks secrets up, and remembers them for a moment. They are masked in every log of Airflow."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str | NotReadyError]] = {}

    def of(self, name: str, sender: WithSecret) -> tuple[str, ...]:
        """A sender's secrets: the current one, and while it is being changed the one before.

        :raises NotReadyError: the connection is not there, or holds nothing that can be called a secret.
        """
        return tuple(self._secret(connection) for connection in sender.connections(name))

    def _secret(self, connection: str) -> str:
        known = self._known.get(connection)
        if known is None or known[0] < time.monotonic():
            found = _look_up(connection)
            seconds = SECRET_SECONDS if isinstance(found, str) else NO_SECRET_SECONDS
            known = (time.monotonic() + seconds, found)
            self._known[connection] = known
        if isinstance(known[1], NotReadyError):
            raise known[1]
        return known[1]


def _look_up(connection: str) -> str | NotReadyError:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError
    from airflow.sdk.log import mask_secret

    try:
        password: Any = Connection.get(connection).password
    except (AirflowNotFoundException, AirflowRuntimeError):
        return NotReadyError(
            f"there is no Airflow connection {connection}; create it under Admin > Connections (type generic), with "
            "the secret as its password"
        )
    if not isinstance(password, str) or len(password) < LEAST_SECRET:
        return NotReadyError(
            f"the password of the Airflow connection {connection} is missing, or shorter than {LEAST_SECRET} "
            "characters; make one with: openssl rand -base64 32"
        )
    mask_secret(password)
    return password
