"""How long metric batches are kept, and how those past it are deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from setpoint.model.base import Value
from setpoint.policy.fields import parse_duration
from setpoint.settings import SettingsError
from setpoint.sources.batches import BatchStore, StoredFile

GIGABYTE = 1_000_000_000
PROTECTED = timedelta(hours=6)
"""No rule deletes a batch younger than this: a run that waits for an approval or a verdict may still read it."""
EVERY = timedelta(hours=1)
"""How often the store is looked through, which takes seconds when it is large."""
AT_MOST = 20_000
"""Files deleted by one call: a few seconds of work. The next call goes on."""


def _span(text: Any) -> timedelta:
    span = parse_duration(text)
    if span < PROTECTED:
        raise ValueError(f"at least {int(PROTECTED.total_seconds() / 3600)}h, because runs may still read their batch")
    return span


_Span = Annotated[timedelta, BeforeValidator(_span)]


class Retention(Value):
    """How much is kept. Decisions, signals and outcomes are in the ledger, and stay; this is about the raw points."""

    batches: _Span = timedelta(days=7)
    """``SETPOINT_KEEP_BATCHES``: how long metric batches are kept, such as `7d`, the default; at least `6h`."""
    quarantined: _Span = timedelta(days=90)
    """``SETPOINT_KEEP_QUARANTINED``: the same for batches that failed the gate, with their report; `90d` if unset."""
    quarantined_count: int = Field(default=1000, ge=1, le=100_000)
    """``SETPOINT_KEEP_QUARANTINED_COUNT``: how many of those at most, the newest; `1000` by default."""
    quarantined_gigabytes: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """``SETPOINT_KEEP_QUARANTINED_GB``: how many gigabytes they may take with all that belongs to them; `2` by default.

    These two go by the newest, however young: what lies in quarantine is a copy that no run reads.
    """
    gigabytes: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    """``SETPOINT_KEEP_BATCHES_GB``: how many gigabytes all batches may take; `10` by default.

    Beyond it the oldest go first, those in quarantine last, and none that is younger than six hours.
    """
    memories: _Span = timedelta(days=90)
    """``SETPOINT_KEEP_MEMORIES``: how long the ledger keeps what the gate remembers of a series, and the failures in a
    row of a target, after the last batch that told something of them; `90d` if unset. What was gone for so long starts
    over when it comes back; a `history_for` longer than this has no effect.
    """


_VARIABLES = {
    "batches": "SETPOINT_KEEP_BATCHES",
    "quarantined": "SETPOINT_KEEP_QUARANTINED",
    "quarantined_count": "SETPOINT_KEEP_QUARANTINED_COUNT",
    "quarantined_gigabytes": "SETPOINT_KEEP_QUARANTINED_GB",
    "gigabytes": "SETPOINT_KEEP_BATCHES_GB",
    "memories": "SETPOINT_KEEP_MEMORIES",
}


def load_retention(environment: Mapping[str, str] | None = None) -> Retention:
    """The retention this deployment is set to.

    :param environment: the variables to read; ``os.environ`` by default.
    :raises SettingsError: a variable has a value that cannot be meant. All such variables are named.
    """
    from pydantic import ValidationError

    variables = os.environ if environment is None else environment
    said = {field: variables[name] for field, name in _VARIABLES.items() if variables.get(name)}
    try:
        return Retention.model_validate(said)
    except ValidationError as error:
        wrong = [
            f"{_VARIABLES[str(one['loc'][0])]} is {one['input']!r}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise SettingsError("; ".join(wrong)) from error


class Pruned(Value):
    """What one call deleted, and what is left."""

    files: int
    freed_bytes: int
    kept_files: int
    kept_bytes: int
    finished: bool
    """False when there was more to delete than one call does."""
    over_bytes: int
    """By how much the rest is over the limit, because it is too young to be deleted; 0 as a rule."""

    @property
    def text(self) -> str:
        """One sentence for people."""
        words = f"{self.files} files deleted ({_size(self.freed_bytes)}), {self.kept_files} kept"
        words += f" ({_size(self.kept_bytes)})"
        if not self.finished:
            words += "; more is due, the next call goes on"
        if self.over_bytes:
            words += f"; {_size(self.over_bytes)} over the limit, but too young to be deleted"
        return words


def prune(
    store: BatchStore, retention: Retention, now: datetime, *, at_most: int = AT_MOST, dry_run: bool = False
) -> Pruned:
    """Delete what is past its time, then the oldest until the rest fits.

    :param at_most: how many files to delete at most.
    :param dry_run: only say what would be deleted.
    :raises BatchError: a file cannot be deleted, or a folder not listed.
    """
    due, told = choose(store.files, retention, now, at_most)
    if not dry_run:
        store.delete(due)
        store.delete_unfinished(now - PROTECTED)
        if told.finished:
            store.mark_pruned(now)
    return told


def prune_if_due(store: BatchStore, retention: Retention, now: datetime) -> Pruned | None:
    """:func:`prune`, unless the last hour had one that finished. ``None`` when there was nothing to do yet."""
    last = store.pruned_at()
    if last is not None and now - EVERY < last <= now:
        return None
    return prune(store, retention, now)


def choose(
    files: Callable[[], Iterable[StoredFile]], retention: Retention, now: datetime, at_most: int
) -> tuple[list[StoredFile], Pruned]:
    """Which files to delete, most due first. However many there are, only ``at_most`` of them are held in memory.

    :param files: lists the store's files; asked twice, and a third time when they take too much room.
    """
    first_surplus = _first_surplus(files(), retention)

    def is_late(one: StoredFile) -> bool:
        return _late(one, retention, now) or (one.quarantined and _newness(one) <= first_surplus)

    total, late = _Sum(), _Sum()
    old = nsmallest(at_most, late.adding(one for one in total.adding(files()) if is_late(one)), key=_age)
    surplus = total.size_bytes - late.size_bytes - int(retention.gigabytes * GIGABYTE)
    finished, crowded = len(old) == late.files, list[StoredFile]()
    if finished and surplus > 0:
        spare = (one for one in files() if not is_late(one) and one.pulled_at < now - PROTECTED)
        possible = nsmallest(at_most - len(old) + 1, spare, key=lambda one: (one.quarantined, one.pulled_at))
        while surplus > 0 and possible and finished:
            if len(old) + len(crowded) == at_most:
                finished = False
            else:
                crowded.append(possible.pop(0))
                surplus -= crowded[-1].size_bytes
    due = old + crowded
    freed = sum(one.size_bytes for one in due)
    return due, Pruned(
        files=len(due),
        freed_bytes=freed,
        kept_files=total.files - len(due),
        kept_bytes=total.size_bytes - freed,
        finished=finished,
        over_bytes=max(0, surplus) if finished else 0,
    )


class _Sum:
    """Counts what passes through."""

    def __init__(self) -> None:
        self.files = 0
        self.size_bytes = 0

    def adding(self, files: Iterable[StoredFile]) -> Iterator[StoredFile]:
        for one in files:
            self.files += 1
            self.size_bytes += one.size_bytes
            yield one


_NOTHING = (datetime.min.replace(tzinfo=UTC), "")


def _newness(one: StoredFile) -> tuple[datetime, str]:
    """What batches are ordered by; the same for all files of one."""
    return one.pulled_at, one.stem


def _first_surplus(files: Iterable[StoredFile], retention: Retention) -> tuple[datetime, str]:
    """The newest batch in quarantine that is one too many, or takes too much room; it and all older ones go."""
    most, limit = retention.quarantined_count, int(retention.quarantined_gigabytes * GIGABYTE)
    sizes: dict[tuple[datetime, str], int] = {}
    for one in files:
        if one.quarantined:
            sizes[_newness(one)] = sizes.get(_newness(one), 0) + one.size_bytes
            if len(sizes) > 2 * most + 1:  # the oldest of these are too many, whatever else comes
                sizes = dict(sorted(sizes.items(), reverse=True)[: most + 1])
    total = 0
    for place, (batch, size_bytes) in enumerate(sorted(sizes.items(), reverse=True)):
        total += size_bytes
        if place == most or total > limit:
            return batch
    return _NOTHING


def _late(one: StoredFile, retention: Retention, now: datetime) -> bool:
    return one.pulled_at < now - (retention.quarantined if one.quarantined else retention.batches)


def _age(one: StoredFile) -> datetime:
    return one.pulled_at


def _size(size_bytes: int) -> str:
    for unit, factor in (("GB", GIGABYTE), ("MB", 1_000_000), ("kB", 1_000)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} bytes"
