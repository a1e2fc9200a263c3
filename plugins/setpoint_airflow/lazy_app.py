"""What the plugin hands to Airflow: an application that is built when its first request comes.

Every component of Airflow imports its plugins, and only the API server serves them. So nothing of a web framework, of
the ledger or of the policies is imported before somebody asks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any


class LazyApp(ABC):
    """An ASGI application that stands for another one."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    @abstractmethod
    def build(self) -> Any:
        """Import and build the application; called once, in a thread."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        if self._app is None:
            # In a thread: the imports take a second, and the API server has other requests to answer meanwhile.
            import anyio.to_thread

            await anyio.to_thread.run_sync(self._build_once)
        await self._app(scope, receive, send)

    def _build_once(self) -> None:
        with self._lock:
            if self._app is None:
                self._app = self.build()
