"""``setpoint plan``: what would happen now, with nothing changed and nothing recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import PolicyArgument, named_policy
from setpoint.cli.quiet import quiet_airflow

if TYPE_CHECKING:
    from rich.table import Table

    from setpoint.guards.memory import TargetMemory
    from setpoint.model import Decision, Request, SeriesHistory
    from setpoint.model.streak import Streak
    from setpoint.policy.schema import Policy
    from setpoint.steps.evaluate import Evaluation


def plan(
    policy: PolicyArgument,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="TARGET", help="Look at this target only; may be repeated.")
    ] = None,
    wanted: Annotated[int | None, typer.Option(min=0, metavar="N", help="What if somebody asked for N units?")] = None,
    as_json: Json = False,
) -> None:
    """Show what a policy would do now, on the real metrics, and why.

    It pulls the metrics, validates, aggregates and decides as a run does, with
    clients that cannot change anything. Nothing is recorded either.
    Exit status 1: the data cannot be trusted, so a run would change nothing; or
    a target that was named is none of the policy's.

    Examples:

        setpoint plan storefront-web

        setpoint plan storefront-web --target storefront-web --wanted 6

        setpoint plan storefront-web --json | jq '.decisions[] | {target, action, to_units}'
    """
    with errors_reported(as_json):
        loaded = named_policy(policy)
        evaluation = _evaluate(loaded.policy, tuple(target or ()), wanted)
        if as_json:
            shown = evaluation.to_json()
            print_json({"policy": policy, "file": str(loaded.path), "sha256": loaded.sha256, **shown})
        else:
            _show(loaded.policy, evaluation)
    no = all_quarantined(evaluation) or names_a_stranger(evaluation)
    raise typer.Exit(ExitCode.NO if no else ExitCode.OK)


def all_quarantined(evaluation: Evaluation) -> bool:
    """Whether there are decisions, and the data behind none of them could be trusted."""
    from setpoint.model import Action

    return bool(evaluation.decisions) and all(one.action is Action.QUARANTINE for one in evaluation.decisions)


def names_a_stranger(evaluation: Evaluation) -> bool:
    """Whether a target was asked for that is not one of the policy's."""
    return any(reason.code == "unknown_target" for one in evaluation.decisions for reason in one.reasons)


def _evaluate(policy: Policy, targets: tuple[str, ...], wanted: int | None) -> Evaluation:
    quiet_airflow()
    from setpoint.sources.batches import BatchStore
    from setpoint.steps.evaluate import evaluate
    from setpoint_airflow.providers import reader_for, sources_for

    now = datetime.now(UTC)
    reader, sources = reader_for(policy), sources_for(policy)
    asked, before = bool(targets) or wanted is not None, _before(policy)
    with tempfile.TemporaryDirectory(prefix="setpoint-plan-") as folder:
        return evaluate(
            policy,
            run_id=f"{policy.name}/plan",
            sources=sources,
            reader=reader,
            store=BatchStore(Path(folder)),
            memory=_memory(policy, reader.find(policy.targets), now),
            now=now,
            streaks=before.streaks,
            history=before.history,
            request=_request(targets, wanted) if asked else None,
        )


def _request(targets: tuple[str, ...], wanted: int | None) -> Request:
    from setpoint.model import Request

    return Request(targets=targets, wanted_units=wanted, dry_run=True, reason="what if", requested_by="setpoint plan")


def _memory(policy: Policy, targets: tuple[str, ...], now: datetime) -> Mapping[str, TargetMemory]:
    """What the ledger remembers of the targets (cooldowns, open changes): nothing where there is no ledger yet."""
    from setpoint.cli.ledgers import is_missing, ledger_url, reading_ledger
    from setpoint.guards.memory import TargetMemory

    if is_missing(ledger_url()):
        return {target: TargetMemory(target=target) for target in targets}
    with reading_ledger() as ledger:
        return ledger.memory(policy.name, targets, policy.targets.scope, now)


@dataclass(frozen=True)
class _Before:
    """What the ledger remembers of the batches before: nothing where there is no ledger yet."""

    streaks: Mapping[str, Streak] = field(default_factory=dict)
    history: Sequence[SeriesHistory] = ()


def _before(policy: Policy) -> _Before:
    from setpoint.cli.ledgers import is_missing, ledger_url, reading_ledger

    if is_missing(ledger_url()):
        return _Before()
    with reading_ledger() as ledger:
        return _Before(ledger.streaks(policy.name), ledger.series_history(policy.name))


def _show(policy: Policy, evaluation: Evaluation) -> None:
    out = console()
    changes = evaluation.plan.changes
    out.print(_table(policy, evaluation))
    for problem in evaluation.report.frame_problems:
        out.print(text(problem, "red"))
    summary = (
        f"{len(changes)} of {len(evaluation.decisions)} targets would change, {evaluation.plan.units_delta:+d} units"
    )
    dry = " (the policy is on dry run, so a run would change nothing)" if policy.dry_run else ""
    out.print(text(f"{summary}{dry}. Nothing was changed and nothing was recorded.", "bold"))


def _table(policy: Policy, evaluation: Evaluation) -> Table:
    from rich import box
    from rich.table import Table

    from setpoint.cli.history import STYLES, units

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{policy.name} at {evaluation.batch.pulled_at:%F %T} UTC")
    for name in ("target", "from → to", "action", "data", "reasons and guards"):
        table.add_column(name, no_wrap=name != "reasons and guards", overflow="fold")
    for one in evaluation.decisions:
        table.add_row(
            text(one.target),
            text(units(one.from_units, one.to_units)),
            text(one.action.value, STYLES.get(one.action.value, "")),
            text(one.quality.value, STYLES.get(one.quality.value, "")),
            text("\n".join(_why(one))),
        )
    return table


def _why(decision: Decision) -> list[str]:
    """The reasons, and the guards that say something the reasons do not."""
    from setpoint.cli.history import units

    said = [reason.text for reason in decision.reasons]
    guards = [
        f"guard {one.guard}: {units(one.from_units, one.to_units)}, {one.reason.text}"
        for one in decision.constraints
        if one.reason.text not in said
    ]
    return said + guards
