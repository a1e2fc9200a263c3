"""The webhook, as the plugin hands it to Airflow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from setpoint_airflow.lazy_app import LazyApp


class WebhookMount(LazyApp):
    """Stands for the webhook's application until somebody posts."""

    def build(self) -> Any:
        deployment = import_module("setpoint_airflow.webhook.deployment")
        return import_module("setpoint_airflow.webhook.app").webhook_app(deployment.Deployment())
