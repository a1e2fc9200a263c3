"""One policy with ten thousand targets, from the batch at hand to decisions and a plan, step by step.

Each step is a process of its own, as each task is: it reads what the step before left in the ledger, does its work and
leaves its result there. Seconds are those of the work, without starting
Python: tasks are forks of a process that has loaded everything. Memory is the most the process ever had (``VmHWM``).

The baseline is the textbook way, in the same run: one target after the other is cut out of the frame, validated by
Great Expectations, aggregated with pandas and decided about; on a sample of targets, and reckoned up to the fleet.

Run it with ``python -m benchmarks.fleet``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from setpoint.ledger import Ledger
from setpoint.model import Completeness, MetricBatch, SeriesStatus, TargetState, Window
from setpoint.planning.plan import chunks
from setpoint.policy.schema import Policy
from setpoint.sources.batches import BatchStore
from setpoint.steps.evaluate import aggregate_batch, decide_fleet, judge_batch

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN = "fleet manual__2026-03-01T12:00:00+00:00"
POINTS = 30
METRICS = ("cpu", "latency", "requests")
SAMPLE = 20
STEPS = ("validate", "aggregate", "decide")


@dataclass(frozen=True)
class Measured:
    """One step: how long it worked, the most memory its process had, and what it handed on."""

    step: str
    seconds: float
    peak_mb: float
    handed_on_kb: float
    """The XCom, as JSON."""
    note: str = ""


@dataclass(frozen=True)
class Result:
    """One fleet: its steps, and the textbook way reckoned up."""

    targets: int
    rows: int
    changing: int
    steps: tuple[Measured, ...]
    naive_seconds: float

    @property
    def seconds(self) -> float:
        """From the batch at hand to decisions and plan."""
        return sum(one.seconds for one in self.steps)

    @property
    def peak_mb(self) -> float:
        """Of the largest process."""
        return max(one.peak_mb for one in self.steps)


def policy() -> Policy:
    """Three metrics with thirty points each; CPU decides."""
    metric = {"source": "aws.cloudwatch", "namespace": "A/B", "period": "60s", "window": f"{POINTS}m", "settle": "60s"}
    return Policy.model_validate(
        {
            "version": 1,
            "name": "fleet",
            "owner": "benchmarks",
            "targets": {"kind": "aws.autoscaling_group", "region": "eu-west-1", "match": {"tags": {"tier": "all"}}},
            "metrics": {name: {**metric, "name": name, "statistic": "Average"} for name in METRICS},
            "quality": {"cpu": {"between": (0, 100)}},
            "scale": {
                "strategy": "threshold",
                "signal": {"metric": "cpu", "aggregate": "p90"},
                "out": {"above": 70, "for": "3 of 5", "add": 2},
                "in": {"below": 30, "for": "10 of 10", "remove": 1},
            },
            "limits": {"min": 1, "max": 20},
            "feedback": {"after": "5m", "healthy": {"latency": {"max": 250}}},
        }
    )


def target_names(count: int) -> tuple[str, ...]:
    """Names as long as real ones are."""
    return tuple(f"storefront-production-eu-west-1-{number:05}" for number in range(count))


def prepare(home: Path, targets: int, changing: int) -> None:
    """Write the batch and the reference to it, as the pull leaves them; the first targets are the busy ones."""
    import numpy as np

    from setpoint.sources.frame import long_frame

    rules, names = policy(), target_names(targets)
    keys = [(name, metric) for metric in METRICS for name in names]
    end = rules.metrics["cpu"].window_at(NOW).end
    first = round(end.timestamp() * 1e6) - POINTS * 60_000_000
    times = np.tile(first + 60_000_000 * np.arange(POINTS, dtype=np.int64), len(keys))
    random = np.random.default_rng(1)
    values = random.uniform(40, 60, len(times))
    values[: changing * POINTS] += 40
    frame = long_frame(
        microseconds=times,
        targets=[name for name, _ in keys],
        metrics=[metric for _, metric in keys],
        counts=[POINTS] * len(keys),
        values=values,
    )
    series = [
        SeriesStatus(
            target=name,
            metric=metric,
            status=Completeness.COMPLETE,
            points=POINTS,
            expected_points=POINTS,
            period_seconds=60,
        )
        for name, metric in keys
    ]
    window = Window(start=end - timedelta(minutes=POINTS), end=end)
    batch = BatchStore(home).write(
        frame, policy=rules.name, window=window, series=series, units=dict.fromkeys(METRICS, ""), pulled_at=NOW
    )
    with _ledger(home) as ledger:
        ledger.start_run(RUN, rules.name, NOW, "manual", dry_run=False, event_ids=())
        ledger.record("batch", batch, run_id=RUN, policy=rules.name)


def _ledger(home: Path) -> Ledger:
    return Ledger.open(f"sqlite:///{home / 'ledger.db'}")


def _batch(home: Path) -> MetricBatch:
    with _ledger(home) as ledger:
        batch = ledger.batch_of(RUN)
    assert batch is not None
    return batch


def validate(home: Path) -> Any:
    """What ``ValidateBatchOperator`` does."""
    rules = policy()
    report = judge_batch(rules, _batch(home), store=BatchStore(home), now=NOW)
    with _ledger(home) as ledger:
        ledger.record("report", report, run_id=RUN, policy=rules.name)
    return {"verdict": report.verdict.value, "suite": report.suite, "broken": []}


def aggregate(home: Path) -> Any:
    """What ``AggregateOperator`` does."""
    rules = policy()
    signals = aggregate_batch(rules, _batch(home), store=BatchStore(home))
    with _ledger(home) as ledger:
        ledger.record_many("signal", [(one.target, one) for one in signals], run_id=RUN, policy=rules.name)
    return {"signals": len(signals), "values": {one.target: one.value for one in signals[:50]}}


def decide(home: Path) -> Any:
    """What ``DecideOperator`` does, but for reading the provider: the states are made up."""
    rules = policy()
    batch = _batch(home)
    targets = batch.targets
    with _ledger(home) as ledger:
        report = ledger.report_of(RUN)
        assert report is not None
        decisions, plan = decide_fleet(
            rules,
            run_id=RUN,
            targets=targets,
            report=report,
            signals=ledger.signals_of(RUN),
            states={name: _state(name) for name in targets},
            memory=ledger.memory(rules.name, targets, rules.targets.scope, NOW),
            pulled_at=batch.pulled_at,
            now=NOW,
            dry_run=False,
        )
        ledger.record_decisions(RUN, decisions, plan)
    return [
        {"action": chunk.direction.value, "change_ids": [change.change_id for change in chunk.changes]}
        for chunk in chunks(plan)
    ]


def _state(target: str) -> TargetState:
    return TargetState(
        target=target,
        desired_units=4,
        in_service_units=4,
        min_units=1,
        max_units=20,
        unit="instance",
        read_at=NOW,
    )


def naive(home: Path) -> float:
    """Seconds for one target, the textbook way."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    from setpoint.guards.decide import decide as decide_one
    from setpoint.quality import judge
    from setpoint.signals import aggregate as aggregate_one

    rules, batch = policy(), _batch(home)
    frame = BatchStore(home).read(batch)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    definition = context.data_sources.add_pandas("p").add_dataframe_asset("f").add_batch_definition_whole_dataframe("w")
    suite = gx.ExpectationSuite(
        name="textbook",
        expectations=[
            gxe.ExpectColumnValuesToNotBeNull(column="value"),
            gxe.ExpectColumnValuesToBeBetween(column="value", min_value=0, max_value=100),
            gxe.ExpectTableRowCountToBeBetween(min_value=len(METRICS) * POINTS),
        ],
    )
    names = target_names(SAMPLE + 1)
    began = time.perf_counter()
    for number, name in enumerate(names):
        if number == 1:
            began = time.perf_counter()  # the first one warms up
        mine = frame[frame["target"] == name]
        assert definition.get_batch({"dataframe": mine}).validate(suite).success
        of_one = tuple(one for one in batch.series if one.target == name)
        reference = batch.model_copy(update={"series": of_one, "rows": len(mine)})
        mine.groupby("metric")["value"].agg(["mean", lambda values: values.quantile(0.9)])
        decided = decide_one(
            rules,
            run_id=RUN,
            targets=[name],
            signals=aggregate_one(mine, reference, rules),
            report=judge(mine, reference, rules, NOW) if number == 0 else _passed(rules, reference),
            states={name: _state(name)},
            memory={},
            pulled_at=NOW,
            now=NOW,
        )
        assert len(decided) == 1
    return (time.perf_counter() - began) / SAMPLE


def _passed(rules: Policy, batch: MetricBatch) -> Any:
    """A report that trusts every series: the textbook's own validation said so."""
    from setpoint.model import QualityReport, SeriesQuality, Verdict

    return QualityReport(
        batch_id=batch.batch_id,
        policy=rules.name,
        suite="textbook",
        verdict=Verdict.PASS,
        series=tuple(
            SeriesQuality(target=one.target, metric=one.metric, verdict=Verdict.PASS, checks=()) for one in batch.series
        ),
        seconds=0,
        judged_at=NOW,
    )


WORK: dict[str, Callable[[Path], Any]] = {"validate": validate, "aggregate": aggregate, "decide": decide}


def run_step(step: str, home: Path) -> Measured:
    """Do one step here, in a process that does nothing else."""
    import great_expectations  # noqa: F401 - loaded before the clock starts, as in a forked task
    import pyarrow.parquet  # noqa: F401

    import setpoint.quality.judge
    import setpoint.quality.summary
    import setpoint.signals.aggregate  # noqa: F401

    began = time.perf_counter()
    handed_on = WORK[step](home)
    seconds = time.perf_counter() - began
    return Measured(step, seconds, _peak_mb(), len(json.dumps(handed_on)) / 1024)


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def measure(targets: int, changing: int) -> Result:
    """Prepare a fleet and take every step, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="setpoint-fleet-") as folder:
        home = Path(folder)
        _in_process("--prepare", home, targets, changing)
        steps = tuple(Measured(**_in_process(step, home, targets, changing)) for step in STEPS)
        naive_seconds = _in_process("--naive", home, targets, changing)["seconds"] * targets
    return Result(targets, targets * len(METRICS) * POINTS, changing, steps, naive_seconds)


def _in_process(what: str, home: Path, targets: int, changing: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.fleet", "--do", what.lstrip("-"), "--home", str(home)]
    done = subprocess.run(
        [*command, "--targets", str(targets), "--changing", str(changing)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=900,
    )
    return json.loads(done.stdout)


def table(results: list[Result]) -> str:
    """The measurement as Markdown."""
    lines = [
        f"| targets | rows | changing | {' | '.join(STEPS)} | batch to plan | peak memory | largest XCom "
        "| textbook, reckoned up | textbook / Setpoint |",
        "|---" * (8 + len(STEPS)) + "|",
    ]
    for one in results:
        steps = " | ".join(f"{step.seconds:.1f} s ({step.peak_mb:.0f} MB)" for step in one.steps)
        largest = max(step.handed_on_kb for step in one.steps)
        lines.append(
            f"| {one.targets:,} | {one.rows:,} | {one.changing:,} | {steps} | {one.seconds:.1f} s "
            f"| {one.peak_mb:.0f} MB | {largest:.0f} KB | {one.naive_seconds:.0f} s "
            f"| {one.naive_seconds / one.seconds:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print; with ``--do`` take one step in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10_000)
    parser.add_argument("--changing", type=int, help="targets that scale out; without, 1 %% and then all of them")
    parser.add_argument("--do", choices=("prepare", "naive", *STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.do is None:
        counts = [asked.targets // 100, asked.targets] if asked.changing is None else [asked.changing]
        sys.stdout.write(table([measure(asked.targets, changing) for changing in counts]) + "\n")
    elif asked.do == "prepare":
        prepare(asked.home, asked.targets, asked.changing)
        sys.stdout.write("{}\n")
    elif asked.do == "naive":
        sys.stdout.write(json.dumps({"seconds": naive(asked.home)}) + "\n")
    else:
        sys.stdout.write(json.dumps(asdict(run_step(asked.do, asked.home))) + "\n")


if __name__ == "__main__":
    main()
