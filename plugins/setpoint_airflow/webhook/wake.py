"""Wake a policy from the API server: an event of the policy's asset, as its watcher would cause one."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from setpoint_airflow.nudge import nudge

log = structlog.get_logger("setpoint.webhook")


def wake(policies: Iterable[str], *, reason: str = "webhook") -> None:
    """Register an asset event for each policy, which carries nothing but its name and why, and nudge the scheduler.

    :raises Exception: Airflow's database did not take it. The events wait in the ledger, and the sweep wakes them.
    """
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    names = {asset_name(policy): policy for policy in policies}
    with create_session(scoped=False) as session:
        found = session.scalars(select(AssetModel).where(AssetModel.name.in_(sorted(names)))).all()
        for asset in found:
            asset_manager.register_asset_change(
                asset=asset, extra={"policy": names[asset.name], "reason": reason}, session=session
            )
    nudge()
    if missing := sorted(set(names) - {asset.name for asset in found}):
        # A policy whose Dag is not parsed yet; its first sweep finds what waits for it.
        log.warning("Airflow does not know these policies' assets yet", assets=missing)


def asset_name(policy: str) -> str:
    """The name of the asset that a policy's Dag waits for."""
    return f"setpoint-{policy}"
