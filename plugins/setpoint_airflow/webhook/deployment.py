"""What the webhook needs of this Airflow: senders, their secrets, the ledger, and a way to wake a policy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from setpoint.events.intake import event_kinds
from setpoint.events.queues import WebhookRef
from setpoint.events.senders import Sender, WithSecret, load_senders
from setpoint.events.take_in import Message, TakenIn, take_in
from setpoint.ledger import Ledger
from setpoint.policy.loader import load_policies
from setpoint.settings import load_settings
from setpoint_airflow.ledger import open_ledger
from setpoint_airflow.webhook.certificates import Certificates, Fetch, fetch
from setpoint_airflow.webhook.secrets import NotReadyError, Secrets
from setpoint_airflow.webhook.wake import wake

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from setpoint.policy.schema import Policy

log = structlog.get_logger("setpoint.webhook")


class Deployment:
    """The deployment the API server runs in.

    :param senders_file: who may post.
    :param open_ledger: opens the ledger; once, at the first message.
    :param policies: the policies as they are now.
    :param wake: starts the runs of policies that have events waiting.
    :param fetch: gets a page from an address of Amazon SNS.
    """

    def __init__(
        self,
        *,
        senders_file: Path | None = None,
        open_ledger: Callable[[], Ledger] = open_ledger,
        policies: Callable[[], Sequence[Policy]] | None = None,
        wake: Callable[[Iterable[str]], None] = wake,
        fetch: Fetch = fetch,
    ) -> None:
        self.senders_file = senders_file or load_settings().senders
        self._open_ledger = open_ledger
        self._policies = policies or _current_policies
        self._wake = wake
        self._fetch = fetch
        self._certificates = Certificates(fetch)
        self._secrets = Secrets()
        self._ledger: Ledger | None = None
        self._lock = threading.Lock()

    def senders(self) -> Mapping[str, Sender]:
        """Who may post, by name.

        :raises SendersError: the file is refused.
        """
        return load_senders(self.senders_file)

    def secrets(self, name: str, sender: WithSecret) -> tuple[str, ...]:
        """A sender's secrets: the current one, and while it is being changed the one before.

        :raises NotReadyError: the connection is not there, or holds nothing that can be called a secret.
        """
        return self._secrets.of(name, sender)

    def certificate(self, url: str) -> Certificate:
        """A certificate of SNS.

        :raises NotReadyError: there is none at the address, or it does not answer.
        """
        return self._certificates.get(url)

    def confirm(self, url: str) -> None:
        """Confirm a subscription.

        :raises NotReadyError: SNS did not take it.
        """
        try:
            self._fetch(url)
        except OSError as error:
            raise NotReadyError(str(error)) from error

    def take_in(self, sender: str, message: Message) -> TakenIn:
        """Commit a message to the ledger, then wake the policies it is for.

        :raises LedgerError: nothing is committed.
        """
        taken = take_in(
            [message],
            inbox=self._opened(),
            kinds=event_kinds(),
            policies=self._policies(),
            queue=WebhookRef(sender=sender),
            source=f"webhook:{sender}",
            now=datetime.now(UTC),
            window=load_settings().dedupe_window,
        )
        if taken.woken:
            try:
                self._wake(taken.woken)
            except Exception as error:  # noqa: BLE001  # the event is committed: the sweep wakes its policy
                log.error("policies could not be woken; the sweep will", policies=sorted(taken.woken), error=str(error))
        return taken

    def close(self) -> None:
        """Give back the ledger's connections."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def _opened(self) -> Ledger:
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_ledger()
            return self._ledger


def _current_policies() -> Sequence[Policy]:
    return [one.policy for one in load_policies(load_settings().policies).policies]
