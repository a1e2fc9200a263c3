"""What the gate says of real series, as a policy would see them: a sliding window, looked at once a period.

    .venv/bin/python -m benchmarks.traces --folder FOLDER

The folder has CSV files with the columns ``timestamp,value``, times in UTC. Nothing is copied from it. Each window is
judged by the default checks, with what the gate remembers of the windows it accepted before. Written for the section
"On real series" of docs/quality.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from setpoint.model import FRAME_COLUMNS, Completeness, MetricBatch, QualityReport, SeriesHistory, SeriesStatus, Window
from setpoint.model.quality import Verdict
from setpoint.policy.fields import format_duration
from setpoint.policy.schema import Policy
from setpoint.quality.judge import judge

END = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment every window ends: its points are moved there, so that all windows are judged as one fleet."""
PERIODS = 12
"""Periods of a window."""
MOST_ROUNDS = 30


@dataclass(frozen=True)
class Series:
    """A series on its own grid of periods."""

    name: str
    period_seconds: int
    places: npt.NDArray[np.int64]
    """Each point's period, counted from the first."""
    values: npt.NDArray[np.float64]
    start: datetime

    def time_of(self, place: int) -> datetime:
        return self.start + timedelta(seconds=place * self.period_seconds)


@dataclass(frozen=True)
class Judged:
    """Every window of a series with its verdict and the checks that did not hold."""

    series: Series
    periods: int
    """Of a window."""
    ends: tuple[int, ...]
    """Of each window, the period after its last one."""
    verdicts: tuple[Verdict, ...]
    broken: tuple[tuple[str, ...], ...]

    @property
    def refused(self) -> int:
        return sum(one is not Verdict.PASS for one in self.verdicts)

    @property
    def complete(self) -> tuple[bool, ...]:
        """Of each window, whether every one of its periods has a point."""
        there = np.zeros(self.ends[-1] + 1, dtype=np.int64)
        there[self.series.places + 1] = 1
        filled = np.cumsum(there)
        return tuple(bool(filled[end] - filled[end - self.periods] == self.periods) for end in self.ends)

    def checks_of(self, windows: Sequence[int]) -> Counter[str]:
        """By check: in how many of some windows it did not hold."""
        return Counter(check for number in windows for check in self.broken[number])

    def episodes(self) -> list[tuple[datetime, datetime, Verdict, tuple[str, ...]]]:
        """Windows in a row that were refused: the first end, the last, the worst verdict, the checks."""
        found: list[tuple[datetime, datetime, Verdict, tuple[str, ...]]] = []
        previous = None
        for end, verdict, broken in zip(self.ends, self.verdicts, self.broken, strict=True):
            if verdict is Verdict.PASS:
                continue
            moment = self.series.time_of(end)
            if found and previous == end - 1:
                first, _, worst, checks = found[-1]
                hardest = max(worst, verdict, key=lambda one: one.severity)
                found[-1] = (first, moment, hardest, tuple(dict.fromkeys((*checks, *broken))))
            else:
                found.append((moment, moment, verdict, broken))
            previous = end
        return found


def read(path: Path) -> Series:
    """A series from its file; a time within a period counts as the period's start."""
    frame = pd.read_csv(path, parse_dates=["timestamp"])
    seconds = frame["timestamp"].astype("datetime64[s]").astype("int64").to_numpy()
    period = int(np.median(np.diff(seconds)))
    places = (seconds - seconds[0]) // period
    start = datetime.fromtimestamp(int(seconds[0]), tz=UTC)
    return Series(path.stem, period, places, frame["value"].to_numpy(dtype=np.float64), start)


def policy_of(series: Series, periods: int = PERIODS, **quality: Any) -> Policy:
    """A policy that reads such a series; the gate as it comes."""
    period = timedelta(seconds=series.period_seconds)
    metric = {"source": "aws.cloudwatch", "namespace": "Real", "name": "Series", "statistic": "Average"}
    return Policy.model_validate(
        {
            "version": 1,
            "name": "traces",
            "owner": "benchmarks",
            "targets": {"kind": "aws.autoscaling_group", "names": ["one"]},
            "metrics": {
                "m": {**metric, "period": format_duration(period), "window": format_duration(periods * period)}
            },
            "quality": {"m": quality},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "m"},
                "out": {"above": 70, "for": "3 of 5", "add": 1},
            },
            "limits": {"min": 1, "max": 10},
            "feedback": {"after": "5m", "healthy": {"m": {"max": 90}}},
        }
    )


def judged(series: Series, policy: Policy) -> Judged:
    """Judge every window of a series, each with the memory of the accepted ones before it.

    A window's memory depends on the verdicts before it. All windows are judged at once, again and again, until the
    verdicts are those their own memory leads to: then they are what judging one after the other gives.
    """
    periods = policy.metrics["m"].expected_points
    ends = range(periods, int(series.places[-1]) + 2)
    spans = [np.searchsorted(series.places, [end - periods, end]) for end in ends]
    frame, batch = _as_fleet(series, ends, spans, periods)
    history: list[SeriesHistory] = []
    for _ in range(MOST_ROUNDS):
        report = judge(frame, batch, policy, END, history)
        following = _memories(series, spans, report, policy)
        if following == history:
            return Judged(
                series,
                periods,
                tuple(ends),
                tuple(one.verdict for one in report.series),
                tuple(tuple(check.expectation for check in one.broken) for one in report.series),
            )
        history = following
    raise RuntimeError(f"{series.name}: the verdicts still change after {MOST_ROUNDS} rounds")


def _as_fleet(
    series: Series, ends: Sequence[int], spans: Sequence[npt.NDArray[Any]], periods: int
) -> tuple[pd.DataFrame, MetricBatch]:
    names = [_name(number) for number in range(len(ends))]
    lengths = [int(last - first) for first, last in spans]
    rows = np.concatenate([np.arange(first, last) for first, last in spans])
    back = np.repeat(np.asarray(ends), lengths) - series.places[rows]
    moments = np.datetime64(END.replace(tzinfo=None), "us") - back * np.timedelta64(series.period_seconds, "s")
    frame = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(moments).tz_localize("UTC"),
            "target": pd.Series(np.repeat(names, lengths), dtype="str"),
            "metric": pd.Series(["m"] * len(rows), dtype="str"),
            "value": series.values[rows],
        }
    )[list(FRAME_COLUMNS)]
    span = timedelta(seconds=periods * series.period_seconds)
    batch = MetricBatch(
        batch_id="traces",
        policy="traces",
        uri="/nowhere",
        window=Window(start=END - span, end=END),
        rows=len(rows),
        sha256="0" * 64,
        units={"m": ""},
        series=tuple(
            SeriesStatus(
                target=name,
                metric="m",
                status=Completeness.COMPLETE,
                points=length,
                expected_points=periods,
                period_seconds=series.period_seconds,
            )
            for name, length in zip(names, lengths, strict=True)
        ),
        pulled_at=END,
    )
    return frame, batch


def _memories(
    series: Series, spans: Sequence[npt.NDArray[Any]], report: QualityReport, policy: Policy
) -> list[SeriesHistory]:
    """What each window's memory is, were these the verdicts."""
    kept_for = policy.quality_of("m").history_for.total_seconds() / series.period_seconds
    memories: list[SeriesHistory] = []
    last: SeriesHistory | None = None
    accepted = 0
    for number, ((first, after), one) in enumerate(zip(spans, report.series, strict=True)):
        if last is not None and number - accepted > kept_for:
            last = None
        if last is not None:
            ago = timedelta(seconds=(number - accepted) * series.period_seconds)
            memories.append(last.model_copy(update={"target": _name(number), "accepted_at": END - ago}))
        if one.verdict is Verdict.PASS:
            last, accepted = _grown(last, series.values[first:after], number), number
    return memories


def _grown(before: SeriesHistory | None, values: npt.NDArray[np.float64], number: int) -> SeriesHistory:
    """As :func:`setpoint.quality.memory.accepted_histories` grows it."""
    median = float(np.median(values))
    changes = np.flatnonzero(np.diff(values) != 0)
    runs = np.diff(np.concatenate([[-1], changes, [len(values) - 1]]))
    return SeriesHistory(
        target=_name(number),
        metric="m",
        batch_id=f"window-{number}",
        accepted_at=END,
        batches=1 + (before.batches if before else 0),
        points=len(values) + (before.points if before else 0),
        zeros=int((values == 0).sum()) + (before.zeros if before else 0),
        median=median,
        spread=1.4826 * float(np.median(np.abs(values - median))),
        lowest=min(float(values.min()), before.lowest if before else np.inf),
        highest=max(float(values.max()), before.highest if before else -np.inf),
        longest_run=max(int(runs.max()), before.longest_run if before else 1),
    )


def _name(number: int) -> str:
    return f"w{number:06}"


def summary_lines(found: Sequence[Judged], labelled: Sequence[str]) -> list[str]:
    """One row a series, and the false alarms: what was refused of windows in which no point is missing."""
    rows = [
        "| series | windows | with every point | of these refused | others | of these refused |",
        "|---|---|---|---|---|---|",
    ]
    clean, alarms, checks = 0, 0, Counter[str]()
    for one in found:
        whole = [number for number, full in enumerate(one.complete) if full]
        refused = [number for number in whole if one.verdicts[number] is not Verdict.PASS]
        words = ", ".join(f"{check} {count}" for check, count in one.checks_of(refused).most_common()) or "none"
        others, missed = len(one.ends) - len(whole), one.refused - len(refused)
        rows.append(
            f"| {one.series.name} | {len(one.ends)} | {len(whole)} | {len(refused)} = {len(refused) / len(whole):.2%} "
            f"({words}) | {others} | {missed} |"
        )
        if one.series.name not in labelled:
            clean, alarms, checks = clean + len(whole), alarms + len(refused), checks + one.checks_of(refused)
    told = [f"False alarms on clean series: {alarms} of {clean} windows, {alarms / max(clean, 1):.2%}."]
    told += [f"- {check}: {count}, {count / clean:.2%}" for check, count in checks.most_common()]
    return [*rows, "", *told]


def episode_lines(one: Judged) -> list[str]:
    """The refused stretches of a series."""
    return [
        f"{one.series.name}: {first:%F %R} to {last:%F %R} {verdict.value}: {', '.join(broken)}"
        for first, last, verdict, broken in one.episodes()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the gate says of real series.")
    parser.add_argument("--folder", type=Path, required=True, help="a folder of CSV files: timestamp,value")
    parser.add_argument("--periods", type=int, default=PERIODS, help=f"periods of a window ({PERIODS})")
    parser.add_argument("--zeros", nargs="*", default=[], help="series in which a zero is honest: zero_guard: false")
    parser.add_argument("--labelled", nargs="*", default=[], help="series with known trouble: told of, not counted")
    arguments = parser.parse_args()
    found = []
    for path in sorted(arguments.folder.glob("*.csv")):
        series = read(path)
        quality = {"zero_guard": False} if series.name in arguments.zeros else {}
        found.append(judged(series, policy_of(series, arguments.periods, **quality)))
    print("\n".join(summary_lines(found, arguments.labelled)))
    for one in found:
        print("\n".join(["", *episode_lines(one)]))


if __name__ == "__main__":
    main()
