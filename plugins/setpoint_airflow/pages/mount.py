"""The pages, as the plugin hands them to Airflow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from setpoint_airflow.lazy_app import LazyApp


class PagesMount(LazyApp):
    """Stands for the application of the pages until somebody looks."""

    def build(self) -> Any:
        desk = import_module("setpoint_airflow.pages.desk")
        return import_module("setpoint_airflow.pages.app").pages_app(desk.Desk())
