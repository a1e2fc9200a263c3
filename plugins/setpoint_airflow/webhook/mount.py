"""What the plugin hands to Airflow: an application that is built when its first request comes.

Every component of Airflow imports its plugins, and only the API server serves them. So nothing of a web framework, of
the ledger or of the policies is imported before somebody asks.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any


class WebhookMount:
    """An ASGI application that stands for the webhook's."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        if self._app is None:
            # In a thread: the imports take a second, and the API server has other requests to answer meanwhile.
            import anyio.to_thread

            await anyio.to_thread.run_sync(self._build)
        await self._app(scope, receive, send)

    def _build(self) -> None:
        with self._lock:
            if self._app is None:
                deployment = import_module("setpoint_airflow.webhook.deployment")
                self._app = import_module("setpoint_airflow.webhook.app").webhook_app(deployment.Deployment())
