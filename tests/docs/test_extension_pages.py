"""The extensions that the how-to pages show are real: each is loaded, used, and keeps its room's contract."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from doc_pages import REPOSITORY, blocks

from setpoint.events import EVENTS
from setpoint.events.contract import EventError
from setpoint.events.intake import read_message
from setpoint.model import ChangeState, Completeness
from setpoint.quality import judge_stored
from setpoint.registry import Registry
from setpoint.sources import SOURCES
from setpoint.sources.batches import BatchStore
from setpoint.sources.pull import pull
from setpoint.strategies import STRATEGIES
from setpoint.targets import TARGETS
from setpoint.testing.values import a_planned_change, a_policy, a_signal, a_state, permitted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The first Python block of a how-to page, as a module that can be imported."""

    def load(page: str) -> ModuleType:
        path = REPOSITORY / "docs" / "how-to" / page
        text = next(block.text for block in blocks("python") if block.page == path)
        module = ModuleType(f"shown_in_{path.stem.replace('-', '_')}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)
        return module

    return load


def registered(room: Registry, name: str, shown_class: type[Any]) -> type[Any]:
    """The class as the room's registry gives it out, which checks that the contract is whole."""
    target = f"{shown_class.__module__}:{shown_class.__name__}"
    contract = room._contract  # the room's own, so that the page cannot lag behind it
    return Registry(room.group, contract, {name: target}).load(name)


def test_the_source_answers_for_every_series_and_the_gate_believes_it(
    shown: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    """A full series passes the gate; a target that is not in the file has an empty series, not zeros."""
    module = shown("write-a-source.md")
    source = registered(SOURCES, "csv.file", module.CsvSource)()
    config = module.CsvMetric(source="csv.file", path=tmp_path / "cpu.csv", period="60s", window="10m")
    moments = [NOW - timedelta(minutes=minute) for minute in range(1, 11)]
    rows = [f"{moment.isoformat()},web-1,{50 + number}" for number, moment in enumerate(moments)]
    (tmp_path / "cpu.csv").write_text("\n".join(["timestamp,target,value", *rows]))
    policy = a_policy().model_copy(update={"metrics": {"cpu": config}})
    store = BatchStore(tmp_path / "batches")

    batch = pull(policy, ["web-1", "web-2"], NOW, {"csv.file": source}, store)

    assert [(one.target, one.points, one.status) for one in batch.series] == [
        ("web-1", 10, Completeness.COMPLETE),
        ("web-2", 0, Completeness.COMPLETE),
    ]
    report, _ = judge_stored(store, batch, policy, NOW)
    assert report.frame_problems == ()
    assert [one.verdict for one in report.series] == ["pass", "fail"]


def test_the_strategy_does_what_its_docstring_says(shown: Callable[[str], ModuleType]) -> None:
    """ceil(desired * value / target) outside the tolerance, nothing inside it or without a value."""
    module = shown("write-a-strategy.md")
    strategy = registered(STRATEGIES, "proportional", module.ProportionalStrategy)
    config = module.ProportionalConfig(strategy="proportional", metric="cpu", target=50)

    def proposed(value: float | None) -> tuple[int, str]:
        signal = a_signal([value], aggregate="mean", value=value)
        answer = strategy.propose({"cpu": signal}, a_state(desired=4), config)
        return answer.to_units, answer.reasons[0].code

    assert proposed(90) == (8, "off_target")
    assert proposed(20) == (2, "off_target")
    assert proposed(52) == (4, "on_target")
    assert proposed(None) == (4, "no_signal")


def test_the_target_changes_once(shown: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Applied, then a no_op; refused when somebody moved it and in a dry run."""
    module = shown("write-a-target.md")
    module.CAPACITIES = tmp_path / "capacities.json"  # type: ignore[attr-defined]
    module.CAPACITIES.write_text(json.dumps({"web-1": 4}))
    target = registered(TARGETS, "json.file", module.JsonFileTarget)()
    assert not hasattr(module.JsonFileReader, "apply")

    dry = target.apply(a_planned_change("web-1", 4, 6, dry_run=True), permitted)
    assert (dry.state, dry.reason.code) == (ChangeState.REFUSED, "dry_run")
    assert target.apply(a_planned_change("web-1", 4, 6), permitted).state is ChangeState.APPLIED
    assert target.apply(a_planned_change("web-1", 4, 6), permitted).state is ChangeState.NO_OP
    moved = target.apply(a_planned_change("web-1", 4, 5), permitted)
    assert (moved.state, moved.reason.code) == (ChangeState.REFUSED, "capacity_moved")
    assert json.loads(module.CAPACITIES.read_text()) == {"web-1": 6}


def test_the_event_kind_reads_its_messages(shown: Callable[[str], ModuleType]) -> None:
    """A rollout is an event with an identity of its own; a broken one is refused with every problem."""
    module = shown("add-an-event-kind.md")
    kind = registered(EVENTS, "rollout", module.Rollout)
    message = kind.examples()["done"]
    how = {"message_id": "m-1", "source": "queue", "received_at": NOW, "kinds": {"rollout": kind}}

    first, again = (read_message(json.dumps(message), **how) for _ in range(2))

    assert first[0].event_id == again[0].event_id
    assert first[0].targets == ("storefront-web",)
    assert kind.wanted(first[0], module.RolloutConfig(kind="rollout", queue="q", service="check*"))
    assert not kind.wanted(first[0], module.RolloutConfig(kind="rollout", queue="q", results=("failed",)))
    with pytest.raises(EventError) as refused:
        read_message(json.dumps({"rollout": {"result": "no"}}), **how)
    assert all(field in str(refused.value) for field in ("id", "service", "result", "finished_at"))


def test_the_sensors_dag_is_a_dag(shown: Callable[[str], ModuleType]) -> None:
    """The Dag that shows the sensor has both tasks, one after the other."""
    module = shown("use-the-sensor-in-your-dag.md")

    assert module.quiet.downstream_task_ids == {"start_workers"}
    assert module.quiet.dag.dag_id == "nightly_batch"
    assert module.quiet._watch.policy  # the parameters are those of a policy, and they are checked
