"""What is past its time is deleted, what may still be read is not, and the disk does not fill up."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpoint.settings import SettingsError
from setpoint.sources.batches import BatchError, BatchStore, StoredFile
from setpoint.sources.retention import GIGABYTE, PROTECTED, Retention, choose, load_retention, prune, prune_if_due

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KB = 1_000


def batch(root: Path, *, days: float, size: int = KB, policy: str = "web", quarantine: bool = False) -> Path:
    """A file as the store names it, of a batch pulled some days ago."""
    pulled_at = NOW - timedelta(days=days)
    folder = root / policy / ("quarantine" if quarantine else "")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pulled_at:%Y%m%dT%H%M%SZ}-{len(list(folder.iterdir())):032x}.parquet"
    path.write_bytes(b"x" * size)
    return path


def left(*paths: Path) -> list[bool]:
    return [path.exists() for path in paths]


def test_old_batches_go_and_the_rest_stays(tmp_path: Path) -> None:
    """Age counts from the pull; quarantine has its own time; files of others are left alone."""
    old, new = batch(tmp_path, days=7.1), batch(tmp_path, days=6.9, policy="api")
    evidence, old_evidence = batch(tmp_path, days=8, quarantine=True), batch(tmp_path, days=91, quarantine=True)
    report = old_evidence.with_suffix(".report.json")
    report.write_text("{}")
    strangers = [
        old.with_name("notes.txt"),
        tmp_path / "notes.txt",
        old.with_name(f"99999999T999999Z-{0:032x}.parquet"),
    ]
    for one in strangers:
        one.write_text("mine")
    told = prune(BatchStore(tmp_path), Retention(), NOW)
    assert left(old, old_evidence, report) == [False] * 3
    assert left(new, evidence, *strangers) == [True] * 5
    assert (told.files, told.kept_files, told.freed_bytes, told.finished) == (3, 2, 2 * KB + 2, True)


def test_too_much_goes_oldest_first_and_evidence_last(tmp_path: Path) -> None:
    """Until the rest fits, over all policies."""
    first, second = batch(tmp_path, days=3), batch(tmp_path, days=2, policy="api")
    third, evidence = batch(tmp_path, days=1), batch(tmp_path, days=5, quarantine=True)
    retention = Retention(gigabytes=2 * KB / GIGABYTE)
    assert prune(BatchStore(tmp_path), retention, NOW).files == 2
    assert left(first, second, third, evidence) == [False, False, True, True]
    prune(BatchStore(tmp_path), Retention(gigabytes=KB / GIGABYTE), NOW)
    assert left(third, evidence) == [False, True]
    prune(BatchStore(tmp_path), Retention(gigabytes=0.1 / GIGABYTE), NOW)
    assert left(evidence) == [False]


def test_quarantine_is_bounded_in_number_and_room_however_young_it_is(tmp_path: Path) -> None:
    """The newest stay, each with all that belongs to it; batches that are not in quarantine do not count."""
    recent, quarantined = batch(tmp_path, days=3), []
    for hours in (3, 2, 1):
        path = batch(tmp_path, days=hours / 24, quarantine=True)
        path.with_suffix(".case.json").write_bytes(b"x" * KB)
        quarantined.append(path)
    store = BatchStore(tmp_path)
    assert prune(store, Retention(quarantined_count=2), NOW).files == 2
    assert left(*quarantined, recent) == [False, True, True, True]
    assert not quarantined[0].with_suffix(".case.json").exists()
    prune(store, Retention(quarantined_gigabytes=3 * KB / GIGABYTE), NOW)
    assert left(*quarantined, recent) == [False, False, True, True]
    assert prune(store, Retention(quarantined_count=1, quarantined_gigabytes=2 * KB / GIGABYTE), NOW).files == 0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3), st.integers(0, 2 * KB)), max_size=40),
    st.integers(1, 6),
    st.integers(1, 8),
)
def test_of_quarantine_the_newest_stay_and_no_more_than_fit(
    drawn: list[tuple[int, int, int]], most: int, kilobytes: int
) -> None:
    """What stays are the newest batches, whole; one more would be too many or too much."""
    files = [
        StoredFile(f"web/quarantine/{hours:032x}.{kind}", NOW - timedelta(hours=hours), size, True)
        for hours, kind, size in drawn
    ]
    retention = Retention(quarantined_count=most, quarantined_gigabytes=kilobytes * KB / GIGABYTE)
    due, _ = choose(lambda: iter(files), retention, NOW, 1000)
    gone, batches = {one.stem for one in due}, sorted({one.stem for one in files})
    kept = [stem for stem in batches if stem not in gone]
    assert kept == batches[: len(kept)]
    room = [sum(one.size_bytes for one in files if one.stem in batches[:number]) for number in range(len(batches) + 1)]
    assert len(kept) <= most
    assert room[len(kept)] <= kilobytes * KB
    if gone:
        assert len(kept) == most or room[len(kept) + 1] > kilobytes * KB


def test_what_a_run_may_still_read_stays_whatever_the_limit(tmp_path: Path) -> None:
    """And it is said that the rest does not fit."""
    young = batch(tmp_path, days=0.2)
    told = prune(BatchStore(tmp_path), Retention(gigabytes=0.5 * KB / GIGABYTE), NOW)
    assert young.exists()
    assert (told.files, told.over_bytes) == (0, KB // 2)
    assert "over the limit" in told.text


def test_one_call_does_a_bounded_amount(tmp_path: Path) -> None:
    """The oldest first; the next call goes on."""
    files = [batch(tmp_path, days=days) for days in (8, 10, 9)]
    store = BatchStore(tmp_path)
    told = prune(store, Retention(), NOW, at_most=2)
    assert (told.files, told.finished, left(*files)) == (2, False, [True, False, False])
    assert prune(store, Retention(), NOW, at_most=2).finished
    assert left(*files) == [False] * 3


def test_a_dry_run_deletes_nothing(tmp_path: Path) -> None:
    """It says what would be deleted."""
    old = batch(tmp_path, days=8)
    assert prune(BatchStore(tmp_path), Retention(), NOW, dry_run=True).files == 1
    assert old.exists()


def test_what_a_crash_left_half_written_goes(tmp_path: Path) -> None:
    """After hours, when nobody can be writing it any more."""
    kept = batch(tmp_path, days=0)
    dead, alive = kept.with_name(".writing-abc"), kept.with_name(".writing-def")
    for one, hours in ((dead, 7), (alive, 1)):
        one.write_bytes(b"half")
        os.utime(one, (NOW.timestamp() - hours * 3600,) * 2)
    prune(BatchStore(tmp_path), Retention(), NOW)
    assert left(kept, dead, alive) == [True, False, True]


def test_an_empty_store_is_fine(tmp_path: Path) -> None:
    """Before the first run there is no folder."""
    assert prune(BatchStore(tmp_path / "none"), Retention(), NOW).files == 0


def test_a_folder_that_cannot_be_listed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the setting."""

    def denied(folder: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(BatchError, match="SETPOINT_DATA"):
        prune(BatchStore(tmp_path), Retention(), NOW)


def test_the_store_is_looked_through_once_an_hour(tmp_path: Path) -> None:
    """Unless a call was not finished, or the note of the last one is unreadable or of the future."""
    store = BatchStore(tmp_path)
    old = batch(tmp_path, days=8)
    assert prune_if_due(store, Retention(), NOW) is not None
    assert not old.exists()
    again = batch(tmp_path, days=8)
    assert prune_if_due(store, Retention(), NOW + timedelta(minutes=59)) is None
    assert again.exists()
    assert prune_if_due(store, Retention(), NOW + timedelta(minutes=61)) is not None
    for note in ("yesterday", "2999-01-01T00:00:00+00:00", "2026-03-01T12:00:00"):
        (tmp_path / ".pruned").write_text(note)
        assert prune_if_due(store, Retention(), NOW) is not None
    batch(tmp_path, days=8), batch(tmp_path, days=9)
    prune(store, Retention(), NOW + timedelta(hours=2), at_most=1)
    assert prune_if_due(store, Retention(), NOW + timedelta(hours=2)) is not None


FILES = st.lists(
    st.builds(
        lambda hours, size, aside: StoredFile("x", NOW - timedelta(hours=hours), size, aside),
        st.floats(0, 24 * 100),
        st.integers(0, 5 * KB),
        st.booleans(),
    ),
    max_size=30,
)


@given(FILES, st.floats(0.1, 50), st.integers(1, 20), st.integers(1, 40), st.integers(1, 31))
def test_what_is_deleted_is_due_and_no_more_than_needed(
    files: list[StoredFile], kilobytes: float, days: int, aside: int, at_most: int
) -> None:
    """Nothing protected goes; all that is late does; for room no more goes than has to; the counts are true."""
    retention = Retention(
        batches=timedelta(days=days), quarantined=timedelta(days=aside), gigabytes=kilobytes * KB / GIGABYTE
    )
    limit = int(retention.gigabytes * GIGABYTE)
    due, told = choose(lambda: iter(files), retention, NOW, at_most)
    kept = list(files)
    for one in due:
        kept.remove(one)

    def late(one: StoredFile) -> bool:
        return one.pulled_at < NOW - (retention.quarantined if one.quarantined else retention.batches)

    assert (told.files, told.kept_files, len(due) <= at_most) == (len(due), len(kept), True)
    assert (told.freed_bytes, told.kept_bytes) == tuple(sum(one.size_bytes for one in part) for part in (due, kept))
    assert all(one.pulled_at < NOW - PROTECTED for one in due)
    for_room = [one for one in due if not late(one)]
    if for_room:
        assert told.kept_bytes + for_room[-1].size_bytes > limit
    if told.finished:
        assert not any(late(one) for one in kept)
        assert told.over_bytes == max(0, told.kept_bytes - limit)
        assert not told.over_bytes or all(one.pulled_at >= NOW - PROTECTED for one in kept)
    else:
        assert len(due) == at_most


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Retention()),
        (
            {"SETPOINT_KEEP_BATCHES": "36h", "SETPOINT_KEEP_BATCHES_GB": "0.5"},
            Retention(batches=timedelta(hours=36), gigabytes=0.5),
        ),
        ({"SETPOINT_KEEP_QUARANTINED": ""}, Retention()),
    ],
)
def test_settings_are_read_from_the_environment(said: dict[str, str], expected: Retention) -> None:
    """A variable that is empty counts as not set."""
    assert load_retention(said) == expected


def test_every_setting_that_cannot_be_meant_is_named() -> None:
    """With its value, and what is allowed."""
    wrong = {"SETPOINT_KEEP_BATCHES": "7", "SETPOINT_KEEP_QUARANTINED": "1h", "SETPOINT_KEEP_BATCHES_GB": "-1"}
    with pytest.raises(SettingsError) as raised:
        load_retention(wrong)
    said = str(raised.value)
    assert "SETPOINT_KEEP_BATCHES is '7': a duration is" in said
    assert "SETPOINT_KEEP_QUARANTINED is '1h': at least 6h" in said
    assert "SETPOINT_KEEP_BATCHES_GB is '-1'" in said
