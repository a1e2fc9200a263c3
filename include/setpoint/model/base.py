"""The base of every value, and the field types they share."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen, fully typed value.

    Unknown fields are refused, datetimes are aware, and a value crosses a task border as JSON:
    ``to_json`` gives plain JSON data, ``model_validate`` takes it back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def to_json(self) -> dict[str, Any]:
        """The value as plain JSON data (what an XCom or a ledger row holds)."""
        return self.model_dump(mode="json")


def to_utc(moment: datetime) -> datetime:
    """The same instant, written in UTC.

    :raises ValueError: in UTC it lies outside the years 1 to 9999.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC") from None


UtcDatetime = Annotated[AwareDatetime, AfterValidator(to_utc)]
"""An aware datetime; whatever zone it came in, it is kept in UTC."""

Name = Annotated[str, Field(min_length=1, max_length=255)]
"""A name from the outside world (a target, a metric): any text up to 255 characters, never empty."""

Units = Annotated[int, Field(ge=0)]
"""A capacity in the target's own unit (instances, tasks, nodes); never negative."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
"""Made once: json.dumps makes one each time, and a batch of log lines asks for ten thousand digests."""


def digest(*parts: object) -> str:
    """A stable 32-character hexadecimal identity of JSON-able parts.

    Equal parts give equal digests in every process and on every machine: the parts are written as canonical JSON
    (sorted keys, no spaces) and hashed with SHA-256; 128 bits are kept.
    """
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()[:32]
