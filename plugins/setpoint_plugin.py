"""The one file Airflow picks up from plugins/ (see .airflowignore): it tells Airflow what of Setpoint's is there."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from setpoint_airflow.links.autoscaling import AutoScalingGroupLink
from setpoint_airflow.listener import TaskEnds
from setpoint_airflow.webhook.mount import WebhookMount


class SetpointPlugin(AirflowPlugin):
    """Setpoint: event-driven infrastructure changes."""

    name = "setpoint"
    # The UI rebuilds an operator's links from this list; a link class that is missing here is not shown.
    operator_extra_links: list[Any] = [AutoScalingGroupLink()]  # noqa: RUF012  # declared so by AirflowPlugin
    listeners: list[Any] = [TaskEnds()]  # noqa: RUF012  # declared so by AirflowPlugin
    # Airflow asks nobody who posts here: the webhook tells its senders apart itself.
    fastapi_apps: list[Any] = [{"app": WebhookMount(), "url_prefix": "/setpoint", "name": "Setpoint webhook"}]  # noqa: RUF012
