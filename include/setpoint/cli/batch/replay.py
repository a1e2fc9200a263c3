"""``setpoint batch replay``: judge and decide again over a stored batch, with the policy of today."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from setpoint.cli.batch.found import BatchArgument
from setpoint.cli.output import ExitCode, Json, console, errors_reported, print_json, text

if TYPE_CHECKING:
    from rich.tree import Tree

    from setpoint.evidence.replay import Replay

_MOST_LINES = 40


def replay(reference: BatchArgument, as_json: Json = False) -> None:
    """Judge and decide again over a stored batch, with the policy of today.

    Nothing is changed and nothing recorded. The targets are taken to stand as
    they stood then, at rest: no cooldown, no change under way. So it shows
    what a change of the policy would have made of the same numbers.
    Exit status 1 when something differs from then.

    Examples:

        setpoint batch replay 4f0c2a91

        SETPOINT_POLICIES=branch/policies setpoint batch replay 4f0c2a91 --json
    """
    from setpoint.cli.batch.found import the_batch, the_store
    from setpoint.cli.policies import named_policy

    with errors_reported(as_json):
        store = the_store()
        found = the_batch(store, reference)
        policy = named_policy(found.shelved.policy).policy
        from setpoint.evidence.replay import replay as replayed

        told = replayed(found.case, found.report, policy, store, datetime.now(UTC))
        if as_json:
            print_json(told.to_json())
        else:
            console().print(_tree(told))
    raise typer.Exit(ExitCode.NO if told.differs else ExitCode.OK)


def _tree(told: Replay) -> Tree:
    from rich.tree import Tree

    from setpoint.cli.history import STYLES
    from setpoint.cli.story import add_decision

    policy = {True: "changed since", False: "the same as then", None: "of today"}[told.policy_changed]
    tree = Tree(text(f"batch {told.batch_id} by policy {told.policy} ({policy})", "bold"), guide_style="dim")
    tree.add(text(f"now: {told.report.verdict.value}", STYLES.get(told.report.verdict.value, "")))
    for decision in told.decisions[:_MOST_LINES]:
        add_decision(tree, decision)
    if len(told.decisions) > _MOST_LINES:
        tree.add(text(f"and {len(told.decisions) - _MOST_LINES} more decisions; --json has all", "dim"))
    branch = tree.add(text("what differs from then" if told.differs else "nothing differs from then", "bold"))
    for line in told.differs[:_MOST_LINES]:
        branch.add(text(line, "yellow"))
    if len(told.differs) > _MOST_LINES:
        branch.add(text(f"and {len(told.differs) - _MOST_LINES} more; --json has all", "dim"))
    tree.add(text("Nothing was changed and nothing was recorded.", "dim"))
    return tree
