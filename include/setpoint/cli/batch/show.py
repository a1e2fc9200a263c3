"""``setpoint batch show``: the verdict on a batch, series by series, with the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from setpoint.cli.batch.found import BatchArgument
from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json, text
from setpoint.evidence.address import page_url

if TYPE_CHECKING:
    from rich.tree import Tree

    from setpoint.cli.batch.found import Found
    from setpoint.sources.batches import BatchStore

_MOST_SERIES = 40


def show(
    reference: BatchArgument,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw the series that did not pass, as SVG.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the checks that held, and series that passed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the gate said of a batch: verdicts, broken checks, numbers, files.

    Examples:

        setpoint batch show 4f0c2a91

        setpoint batch show 4f0c2a91 --plot batch.svg

        setpoint batch show 4f0c2a91 --json | jq '.report.series[] | select(.verdict == "fail")'
    """
    from setpoint.cli.batch.found import the_batch, the_store

    with errors_reported(as_json):
        store = the_store()
        found = the_batch(store, reference)
        drawn = _draw(store, found, plot) if plot is not None else None
        if as_json:
            print_json(_document(found, drawn, plot))
        else:
            console().print(_tree(found, everything))
            if drawn is not None:
                console().print(text(f"{drawn} series drawn in {plot}"))


def _draw(store: BatchStore, found: Found, path: Path) -> int:
    """Draw the worst series into a file; returns how many."""
    from setpoint.cli.policies import named_policy
    from setpoint.evidence.marks import plots_of
    from setpoint.evidence.plot import STYLE, stacked

    if path.suffix != ".svg":
        raise CommandError(f"--plot writes SVG, and {path} does not end with .svg", ExitCode.USAGE)
    frame = store.read(found.batch)
    plots = plots_of(frame, found.batch, found.report, named_policy(found.shelved.policy).policy)
    try:
        path.write_text(stacked(plots, STYLE), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", ExitCode.ENVIRONMENT) from error
    return len(plots)


def _document(found: Found, drawn: int | None, plot: Path | None) -> dict[str, Any]:
    return {
        "batch": found.batch.to_json(),
        "report": found.report.to_json(),
        "run_id": found.case.run_id,
        "quarantined": found.shelved.quarantined,
        "why": list(found.case.why),
        "page": page_url(found.shelved.policy, found.shelved.batch_id),
        "files": {kind: str(path) for kind, path in sorted(found.shelved.paths.items())},
        "plot": None if drawn is None else {"path": str(plot), "series": drawn},
    }


def _tree(found: Found, everything: bool) -> Tree:
    from rich.tree import Tree

    from setpoint.cli.history import STYLES

    batch, report = found.batch, found.report
    where = "in quarantine" if found.shelved.quarantined else "not in quarantine"
    tree = Tree(text(f"batch {batch.batch_id} of {batch.policy}, {where}", "bold"), guide_style="dim")
    tree.add(text(f"pulled {batch.pulled_at:%F %T} UTC, window {batch.window.start:%T} to {batch.window.end:%T}"))
    tree.add(text(f"{batch.rows} points of {len(batch.series)} series for {len(batch.targets)} targets"))
    tree.add(text(f"run {found.case.run_id}"))
    verdict = tree.add(text(f"{report.verdict.value} ({report.suite})", STYLES.get(report.verdict.value, "")))
    for problem in (*report.frame_problems, *(one.text for one in report.source_broken)):
        verdict.add(text(problem, "red"))
    _add_series(verdict, found, everything)
    files = tree.add(text("files"))
    for kind, path in sorted(found.shelved.paths.items()):
        files.add(text(f"{kind}: {path}", "dim"))
    tree.add(text(f"plots and Data Docs: {page_url(found.shelved.policy, found.shelved.batch_id)}"))
    return tree


def _add_series(tree: Tree, found: Found, everything: bool) -> None:
    from setpoint.cli.history import STYLES

    chosen = sorted(
        (one for one in found.report.series if everything or one.broken), key=lambda one: -one.verdict.severity
    )
    for one in chosen[:_MOST_SERIES]:
        branch = tree.add(text(f"{one.target} {one.metric}: {one.verdict.value}", STYLES.get(one.verdict.value, "")))
        for check in one.checks if everything else one.broken:
            at = f"; at {', '.join(f'{moment:%T}' for moment in check.offending[:5])}" if check.offending else ""
            held = "held: " if check.held else ""
            branch.add(text(f"{held}{check.expectation}: {check.observed}; allowed: {check.allowed}{at}"))
    if len(chosen) > _MOST_SERIES:
        tree.add(text(f"and {len(chosen) - _MOST_SERIES} more; --json has all", "dim"))
