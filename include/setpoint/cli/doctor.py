"""``setpoint doctor``: is everything there that a run needs?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from setpoint.cli.output import ExitCode, Json, console, errors_reported, print_json, text
from setpoint.cli.policies import PolicyOption
from setpoint.cli.quiet import quiet_airflow

if TYPE_CHECKING:
    from setpoint.cli.checks.result import CheckResult
    from setpoint.policy.schema import Policy

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    policy: PolicyOption = None,
    airflow_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The API server to ask whether Airflow's components are alive; [api] base_url by default.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check policies, ledger, Airflow, connections, permissions, queues, clock.

    Every check only reads; whether a change would be allowed is asked of IAM, and not tried.
    Each says ok, warn or fail, and what to do about it.
    Exit status 1 when one fails.

    Examples:

        setpoint doctor

        setpoint doctor --policy storefront-web

        setpoint doctor --airflow-url http://127.0.0.1:8080

        setpoint doctor --json | jq '.checks[] | select(.status != "ok")'
    """
    quiet_airflow()
    results: list[CheckResult] = []
    with errors_reported(as_json):
        for result in _checks(policy, airflow_url):
            results.append(result)
            if not as_json:
                _show(result)
        failed = [one for one in results if one.status == "fail"]
        if as_json:
            print_json({"healthy": not failed, "checks": [one.to_json() for one in results]})
        else:
            warned = sum(one.status == "warn" for one in results)
            summary = f"{len(results)} checks: {len(failed)} failed, {warned} with a warning"
            console().print(text(summary, "bold red" if failed else "bold green"))
    raise typer.Exit(ExitCode.NO if failed else ExitCode.OK)


def _checks(only: str | None, airflow_url: str | None) -> Iterator[CheckResult]:
    from setpoint.cli.checks.batches import check_batches
    from setpoint.cli.checks.ledger import check_leases, check_ledger
    from setpoint.cli.checks.policy_files import check_policies
    from setpoint.cli.checks.result import fail
    from setpoint.settings import load_settings

    results, policies = check_policies(load_settings().policies)
    if only is not None:
        policies = [one for one in policies if one.name == only]
        if not policies:
            results.append(fail("policies", f"there is no valid policy {only}", "setpoint validate lists them"))
    yield from results
    yield check_ledger()
    yield from check_leases()
    yield check_batches()
    try:
        import airflow  # noqa: F401 - only whether it is there
    except ImportError as error:
        yield fail("airflow", f"cannot be imported: {error}", "make setup, and run .venv/bin/setpoint")
        return
    yield from _airflow_and_aws(policies, airflow_url)


def _airflow_and_aws(policies: list[Policy], airflow_url: str | None) -> Iterator[CheckResult]:
    from setpoint.cli.checks.airflow import check_address, check_folders
    from setpoint.cli.checks.airflow_settings import check_settings
    from setpoint.cli.checks.pools import check_change_pool
    from setpoint.cli.checks.senders import check_senders

    yield from check_folders()
    yield from check_settings()
    yield from check_change_pool()
    yield from check_address(airflow_url)
    yield from check_senders(policies, airflow_url)
    yield from _aws(policies)


def _aws(policies: list[Policy]) -> Iterator[CheckResult]:
    from setpoint.cli.checks.aws import Place, check_connection, check_policy, places_of
    from setpoint.cli.checks.permissions import arns_of, check_permissions, needs_of
    from setpoint.cli.checks.queues import check_queue, queues_of_all

    identities: dict[Place, str] = {}
    for place in places_of(policies):
        found, identity = check_connection(place)
        yield from found
        if identity:
            identities[place] = identity
    # Without its connection, a policy's own checks would only repeat that one's failure.
    working = [one for one in policies if Place(one.targets.connection, one.targets.region) in identities]
    needs = needs_of(working, arns_of)
    for queue in queues_of_all(working, identities):
        results, on_queue = check_queue(queue)
        yield from results
        needs[Place(queue.connection, queue.region)] += on_queue
    for place, wanted in needs.items():
        if place in identities:
            yield from check_permissions(place, wanted, identities[place])
    for one in working:
        yield from check_policy(one)


def _show(result: CheckResult) -> None:
    out = console()
    status = text(f"{result.status.value:<4}", _STYLES[result.status.value])
    out.print(status, text(result.check, "bold"), text(result.text), soft_wrap=True)
    if result.todo:
        out.print(text(f"     → {result.todo}"), soft_wrap=True)
