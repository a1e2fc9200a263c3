"""``setpoint batch list``: what lies in quarantine, and what else is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from setpoint.cli.output import Json, console, errors_reported, print_json, text
from setpoint.cli.policies import PolicyOption

if TYPE_CHECKING:
    from rich.table import Table

    from setpoint.evidence.shelf import Shelved


def list_batches(
    policy: PolicyOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also batches that are not in quarantine.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Lines at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List the batches in quarantine, newest first, with the first reason.

    Examples:

        setpoint batch list --policy storefront-web

        setpoint batch list --json | jq -r '.batches[].batch_id'
    """
    from setpoint.cli.batch.found import the_store
    from setpoint.evidence.shelf import on_the_shelf

    with errors_reported(as_json):
        found = on_the_shelf(the_store(), policy, only_quarantined=not everything)
        rows = [_row(one) for one in found[:limit]]
        if as_json:
            print_json({"batches": rows, "left_out": max(0, len(found) - limit)})
        elif not rows:
            console().print(text("no batch is kept" if everything else "no batch lies in quarantine"))
        else:
            console().print(_table(rows))
            if len(found) > limit:
                console().print(text(f"and {len(found) - limit} older ones; --limit shows more", "dim"))


def _row(one: Shelved) -> dict[str, Any]:
    from setpoint.evidence.address import page_url

    case = one.case()
    return {
        "batch_id": one.batch_id,
        "policy": one.policy,
        "pulled_at": one.pulled_at.isoformat(),
        "quarantined": one.quarantined,
        "run_id": case.run_id if case else None,
        "why": list(case.why) if case else [],
        "size_bytes": one.size_bytes,
        "page": page_url(one.policy, one.batch_id),
        "files": {kind: str(path) for kind, path in sorted(one.paths.items())},
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("id", "pulled (UTC)", "policy", "why"):
        table.add_column(name, no_wrap=name != "why", overflow="fold")
    for row in rows:
        more = f" (and {len(row['why']) - 1} more)" if len(row["why"]) > 1 else ""
        why = f"{row['why'][0]}{more}" if row["why"] else "" if row["quarantined"] else "not in quarantine"
        pulled = row["pulled_at"][:19].replace("T", " ")
        table.add_row(row["batch_id"][:12], pulled, text(row["policy"]), text(why))
    return table
