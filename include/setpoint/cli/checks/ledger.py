"""Is the ledger reachable, and of this version?"""

from __future__ import annotations

from collections.abc import Iterator

from setpoint.cli.checks.result import CheckResult, fail, ok, warn
from setpoint.cli.ledgers import is_missing, ledger_url


def check_ledger() -> CheckResult:
    """Look at the ledger's schema without changing it."""
    from setpoint.ledger import LedgerError, revision
    from setpoint.ledger.tables import HEAD

    url = ledger_url()
    shown = without_password(url)
    if is_missing(url):
        text = f"there is none at {shown} yet"
        return warn("ledger", text, "nothing, if no policy has run yet; else set SETPOINT_LEDGER_URL to yours")
    try:
        found = revision(url)
    except LedgerError as error:
        return fail("ledger", f"{shown}: {error}", "start the database, or correct SETPOINT_LEDGER_URL")
    if found == HEAD:
        return ok("ledger", f"{shown}, schema {found}")
    if found is None:
        return warn("ledger", f"{shown} is empty", "nothing, if no policy has run yet: the first run makes the tables")
    todo = "the next run brings it up to date; if it says the ledger is of a newer Setpoint, upgrade this one"
    return warn("ledger", f"{shown} has schema {found}, this version writes {HEAD}", todo)


def check_leases() -> Iterator[CheckResult]:
    """Who may change which target right now, and what a dead holder left behind; nothing where nobody holds any."""
    from setpoint.cli.ledgers import reading_ledger
    from setpoint.ledger import LedgerError, revision
    from setpoint.ledger.tables import HEAD

    url = ledger_url()
    try:
        if is_missing(url) or revision(url) != HEAD:
            return  # the check of the ledger has said so
        with reading_ledger() as ledger:
            leases, now = ledger.leases(), ledger.lease_now()
    except LedgerError:
        return  # the check of the ledger has said this as well
    for lease in leases:
        text = f"{lease.target}: token {lease.token}, held by {lease.holder} for change {lease.change_id}"
        if lease.held_at(now):
            yield ok("lease", f"{text}, for another {(lease.expires_at - now).total_seconds():.0f} s at most")
        else:
            todo = "nothing: a retry, or setpoint.reconcile, takes it over and finishes the change"
            yield warn("lease", f"{text}, ran out at {lease.expires_at:%FT%TZ}", todo)


def without_password(url: str) -> str:
    """A database URL that can be shown."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        # What is not a URL may still hold a password.
        return "SETPOINT_LEDGER_URL"
