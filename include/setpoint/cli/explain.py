"""``setpoint explain``: why something was done, from the event to the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import CommandError, ExitCode, Json, console, errors_reported, print_json

if TYPE_CHECKING:
    from setpoint.ledger import Explanation, Ledger


def explain(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="CHANGE|RUN", help="A change's id (its first letters will do), or a run's id.", show_default=False
        ),
    ],
    as_json: Json = False,
) -> None:
    """Explain a change or a run, from the event to the outcome.

    Ids stand in `setpoint history` and in the Airflow UI. A run may be named
    as Airflow names it, when only one policy has a run of that name.

    Examples:

        setpoint explain 3f2a91c0

        setpoint explain storefront-web/manual__2030-01-31T12:00:00+00:00

        setpoint explain --json 3f2a91c0 | jq '.decisions[].reasons'
    """
    from setpoint.cli.ledgers import reading_ledger

    with errors_reported(as_json):
        with reading_ledger() as ledger:
            explanation = _find(ledger, reference)
        if as_json:
            print_json({**explanation.to_json(), "page": _page(explanation)})
            return
        from setpoint.cli.story import story

        console().print(story(explanation), soft_wrap=False)


def _page(explanation: Explanation) -> str | None:
    """The address of the batch's page; ``None`` when the run has pulled none."""
    from setpoint.evidence.address import page_url

    batch = explanation.batch
    return None if batch is None else page_url(batch.policy, batch.batch_id)


def _find(ledger: Ledger, reference: str) -> Explanation:
    from setpoint.ledger import AmbiguousReference

    try:
        found = ledger.explain(reference)
    except AmbiguousReference as error:
        raise CommandError(str(error), ExitCode.NO) from error
    if found is None:
        found = _run_named_by_airflow(ledger, reference)
    if found is None:
        raise CommandError(
            f"the ledger has no change and no run {reference!r}; `setpoint history` lists both", ExitCode.NO
        )
    return found


def _run_named_by_airflow(ledger: Ledger, reference: str) -> Explanation | None:
    """Airflow's run id lacks the policy's name before it, since Airflow has it in the Dag's."""
    from setpoint.cli.policies import policies_directory
    from setpoint.policy.loader import load_policies
    from setpoint.steps.intake import run_identity

    policies = load_policies(policies_directory()).policies
    stories = [ledger.explain(run_identity(one.policy.name, reference)) for one in policies]
    found = [one for one in stories if one is not None]
    if len(found) > 1:
        several = ", ".join(one.run_id for one in found)
        raise CommandError(f"several policies have a run {reference}: {several}; name one of these", ExitCode.NO)
    return found[0] if found else None
