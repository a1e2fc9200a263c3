"""The one file Airflow picks up from plugins/ (see .airflowignore): it tells Airflow what of Setpoint's is there."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from setpoint.evidence.address import PREFIX
from setpoint_airflow.links.autoscaling import AutoScalingGroupLink
from setpoint_airflow.links.batch import BatchPageLink
from setpoint_airflow.listener import TaskEnds
from setpoint_airflow.pages.mount import PagesMount
from setpoint_airflow.webhook.mount import WebhookMount


class SetpointPlugin(AirflowPlugin):
    """Setpoint: event-driven infrastructure changes."""

    name = "setpoint"
    # The UI rebuilds an operator's links from this list; a link class that is missing here is not shown.
    operator_extra_links: list[Any] = [AutoScalingGroupLink(), BatchPageLink()]  # noqa: RUF012  # declared so by AirflowPlugin
    listeners: list[Any] = [TaskEnds()]  # noqa: RUF012  # declared so by AirflowPlugin
    # Airflow asks nobody who comes here: the pages ask its auth manager, the webhook tells its senders apart itself.
    # The longer prefix comes first, or the shorter one would take its requests.
    fastapi_apps: list[Any] = [  # noqa: RUF012  # declared so by AirflowPlugin
        {"app": PagesMount(), "url_prefix": PREFIX, "name": "Setpoint batches"},
        {"app": WebhookMount(), "url_prefix": "/setpoint", "name": "Setpoint webhook"},
    ]
