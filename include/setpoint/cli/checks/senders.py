"""Can the webhook's senders get in: are they configured, do they have secrets, does a policy listen?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from setpoint.cli.checks.result import CheckResult, fail, ok, warn

if TYPE_CHECKING:
    from setpoint.events.senders import Sender
    from setpoint.policy.schema import Policy

TIMEOUT_SECONDS = 10


def check_senders(policies: Iterable[Policy], airflow_url: str | None) -> Iterator[CheckResult]:
    """Look at ``senders.yaml``, at the secrets' connections, and whether the API server serves the webhook.

    Nothing is posted. Without a sender, and without a policy that wants one, there is nothing to say.

    :param airflow_url: the API server's address; the one that Airflow's configuration names by default.
    """
    from setpoint.cli.checks.airflow import known_address
    from setpoint.events.queues import senders_of
    from setpoint.events.senders import SendersError, load_senders
    from setpoint.settings import load_settings

    file = load_settings().senders
    heard: dict[str, list[str]] = {}
    for policy in policies:
        for name in senders_of(policy):
            heard.setdefault(name, []).append(policy.name)
    try:
        senders = load_senders(file)
    except SendersError as error:
        for problem in error.problems:
            yield fail("webhook senders", str(problem), f"correct {file}; until then nobody can post")
        return
    for name in sorted(set(heard) - set(senders)):
        text = f"{', '.join(heard[name])} listens to it, and {file} does not name it"
        yield fail(f"webhook sender {name}", text, "add it there, or correct webhook in the policy")
    for name, sender in sorted(senders.items()):
        yield _check_sender(name, sender, heard.get(name, []))
    if senders and (url := airflow_url or known_address()):
        yield _check_endpoint(url)


def _check_sender(name: str, sender: Sender, heard_by: list[str]) -> CheckResult:
    from setpoint.events.senders import WithSecret
    from setpoint_airflow.webhook.secrets import NotReadyError, Secrets

    check = f"webhook sender {name}"
    if isinstance(sender, WithSecret):
        try:
            Secrets().of(name, sender)
        except NotReadyError as error:
            return fail(check, "it has no secret, so it cannot get in", str(error))
    if not heard_by:
        return warn(check, "no policy listens to it", f"give a policy a trigger with webhook: {name}, or take it out")
    return ok(check, f"{sender.auth}, heard by {', '.join(heard_by)}")


def _check_endpoint(airflow_url: str) -> CheckResult:
    import httpx

    url = f"{airflow_url.rstrip('/')}/setpoint/events/doctor"
    todo = "let the API server see the project's plugins/ folder, and restart it"
    try:
        status = httpx.get(url, timeout=TIMEOUT_SECONDS).status_code
    except httpx.HTTPError as error:
        return fail("webhook", f"{url}: {str(error) or type(error).__name__}", "start Airflow's api-server")
    # Only a POST is answered there: that it is refused as such says that somebody serves it.
    if status == httpx.codes.METHOD_NOT_ALLOWED:
        return ok("webhook", f"{airflow_url.rstrip('/')}/setpoint/events/<sender> is served")
    return fail("webhook", f"{url} answers {status}: the webhook is not served there", todo)
