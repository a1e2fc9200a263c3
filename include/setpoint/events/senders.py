"""Who may post to the webhook, and how each proves it: one file, ``senders.yaml``.

::

    version: 1
    senders:
      alertmanager: {auth: bearer}
      ci:           {auth: hmac, per_minute: 60}
      grafana:      {auth: hmac, format: grafana}
      alarms:       {auth: sns, topics: ["arn:aws:sns:eu-west-1:123456789012:alarms"]}

The file holds no secret. A token or a signing key is the password of an Airflow connection, which is
``setpoint_webhook_<sender>`` unless the file names another; so it may live in any secrets backend.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from setpoint.events.contract import SenderName
from setpoint.model.base import Value
from setpoint.policy.fields import Duration
from setpoint.policy.problems import Problem, dotted, show
from setpoint.policy.yaml_text import MAX_BYTES, Document, UnreadableError, read_yaml

ConnectionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
TopicArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}$")]


class SenderBase(Value):
    """What every sender's section may say."""

    per_minute: int = Field(default=600, ge=1, le=100_000, description="messages a minute, in the long run")
    burst: int = Field(default=100, ge=1, le=100_000, description="messages at once, after a rest")


class WithSecret(SenderBase):
    """A sender that shares a secret with us."""

    connection: ConnectionId | None = Field(
        default=None,
        description="the Airflow connection whose password is the secret; setpoint_webhook_<sender> when left out",
    )
    previous_connection: ConnectionId | None = Field(
        default=None, description="while a secret is being changed: the connection that holds the old one"
    )

    def connections(self, sender: str) -> tuple[str, ...]:
        """The connections whose passwords are this sender's secrets; the first is the current one."""
        current = self.connection or f"setpoint_webhook_{sender.replace('-', '_')}"
        return (current, self.previous_connection) if self.previous_connection else (current,)


class BearerSender(WithSecret):
    """``auth: bearer``: the secret itself, in ``Authorization: Bearer …``. Over TLS only: who reads it can use it."""

    auth: Literal["bearer"]


class HmacFormat(StrEnum):
    """Whose way of signing."""

    STANDARD = "standard"
    """Standard Webhooks: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``."""
    GRAFANA = "grafana"
    """Grafana's webhook contact point: ``X-Grafana-Alerting-Signature`` and ``X-Grafana-Alerting-Timestamp``."""


class HmacSender(WithSecret):
    """``auth: hmac``: HMAC-SHA256 over the time and the body, which proves both."""

    auth: Literal["hmac"]
    format: HmacFormat = Field(default=HmacFormat.STANDARD, description="whose way of signing")
    tolerance: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        le=timedelta(hours=1),
        description="how far the clocks may differ",
    )


class SnsSender(SenderBase):
    """``auth: sns``: Amazon SNS posts, and signs with its own certificate."""

    auth: Literal["sns"]
    topics: tuple[TopicArn, ...] = Field(
        min_length=1, description="the topics whose messages, and whose subscription, are accepted"
    )


Sender = BearerSender | HmacSender | SnsSender


class _SendersFile(Value):
    version: Literal[1]
    senders: dict[SenderName, Annotated[Sender, Field(discriminator="auth")]] = Field(default_factory=dict)


class SendersError(Exception):
    """The file is refused, and with it every sender: who may post is not a thing to guess.

    :param problems: each with file, line, path and value.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.problems)


_known: dict[Path, tuple[tuple[int, int], Mapping[str, Sender]]] = {}
_lock = threading.Lock()


def load_senders(path: Path) -> Mapping[str, Sender]:
    """The configured senders by name; none when there is no such file. An unchanged file is not read again.

    :raises SendersError: the file cannot be read, or says something that is not allowed; every problem is listed.
    """
    try:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        with _lock:
            known = _known.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, _read(path))
            with _lock:
                _known[path] = known
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SendersError((_whole(path, f"cannot be read: {error.strerror or error}"),)) from error
    return known[1]


def _read(path: Path) -> Mapping[str, Sender]:
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    try:
        document = read_yaml(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SendersError((_whole(path, "is not UTF-8; save the file as UTF-8"),)) from error
    except UnreadableError as error:
        mark = error.flaw.mark
        problem = Problem(file=path, line=mark.line, column=mark.column, message=error.flaw.message)
        raise SendersError((problem,)) from error
    flaws = tuple(
        Problem(file=path, line=flaw.mark.line, column=flaw.mark.column, message=flaw.message)
        for flaw in document.flaws
    )
    if flaws:
        raise SendersError(flaws)
    try:
        return TypeAdapter(_SendersFile).validate_python(document.data).senders
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A list counts as too short when its one entry is refused; the entry's own problem says more.
        inside = {one["loc"][:-1] for one in found}
        told = [one for one in found if one["loc"] not in inside]
        raise SendersError(tuple(_problem(path, document, one) for one in told)) from error


def _problem(path: Path, document: Document, error: object) -> Problem:
    assert isinstance(error, dict)
    # pydantic's own location also names the choice made by auth, which is not in the file.
    place, here = list[str | int](), document.data
    for part in error["loc"]:
        if part in ("bearer", "hmac", "sns") and not (isinstance(here, dict) and part in here):
            continue
        place.append(part)
        here = here.get(part) if isinstance(here, dict) else None
    mark = document.place(tuple(place))
    said = "" if error["type"] in ("missing", "model_type") else show(error["input"])
    # No value below connection or the like is a secret; a value that was put in the wrong key could be one.
    unknown = error["type"] == "extra_forbidden"
    return Problem(
        file=path,
        line=mark.line,
        column=mark.column,
        path=dotted(place),
        value="" if unknown else said,
        message="unknown key (a secret does not belong here, but in an Airflow connection)"
        if unknown
        else error["msg"],
    )


def _whole(path: Path, message: str) -> Problem:
    return Problem(file=path, line=1, column=1, message=message)
