"""An auth manager for the tests of the pages: Airflow's simple one, in which one Dag is hidden from those who view."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

HIDDEN = "setpoint.hidden"


class HidesOneDag(SimpleAuthManager):
    """Nobody but an administrator may read :data:`HIDDEN`."""

    def is_authorized_dag(self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        """Whether a user may do something with a Dag."""
        if details is not None and details.id == HIDDEN and user.role != "ADMIN":
            return False
        return bool(super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details))

    def filter_authorized_dag_ids(self, *, dag_ids: set[str], user: Any, **kwargs: Any) -> set[str]:
        """The Dags among some that a user may read."""
        allowed = super().filter_authorized_dag_ids(dag_ids=dag_ids, user=user, **kwargs)
        return {one for one in allowed if one != HIDDEN or user.role == "ADMIN"}
