"""What every room of the ledger stands on: the database, the clock, and reading a stored value back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from setpoint.ledger.database import Database
from setpoint.ledger.errors import CorruptRecord
from setpoint.model.base import Value

V = TypeVar("V", bound=Value)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Store:
    """The base of the ledger's parts.

    :param database: an open, migrated database.
    :param clock: tells when an entry is written, where no caller says it.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock


def restore(model: type[V], data: Any, where: str) -> V:
    """A stored value, validated.

    :param where: names the record, for the error.
    :raises CorruptRecord: it does not validate.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise CorruptRecord(
            f"{where}: the stored {model.__name__} does not validate any more: {error}. It was altered outside "
            f"Setpoint, or a migration is missing"
        ) from error


def restore_text(model: type[V], text: str, where: str) -> V:
    """A stored value from its JSON, validated; see :func:`restore`."""
    try:
        return model.model_validate_json(text)
    except ValidationError:
        # Half of a surrogate pair, which Python's reader takes and pydantic's does not; or corrupt, and this says so.
        return restore(model, json.loads(text), where)
