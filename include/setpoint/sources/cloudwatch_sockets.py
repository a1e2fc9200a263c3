"""Ending calls of a boto3 client that wait for an answer, from another thread.

A thread that waits in a socket does not hear of anything; without this an interrupted fetch would last until the read
time limit. botocore has no such thing, so the connection classes of this one client's session are replaced by ones that
remember their sockets. Where botocore's session is built differently, nothing is remembered, and the time limit ends
the calls.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from typing import Any

_MARK = "_setpoint_sockets"


class OpenSockets:
    """The connections of one client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()

    @classmethod
    def of(cls, client: Any) -> OpenSockets:
        """Those of a client, remembered from now on."""
        session = getattr(getattr(client, "_endpoint", None), "http_session", None)
        classes = getattr(session, "_pool_classes_by_scheme", None)
        known = getattr(session, _MARK, None)
        if isinstance(known, cls):
            return known
        sockets = cls()
        if session is not None and isinstance(classes, dict):
            for scheme, pool in list(classes.items()):
                classes[scheme] = sockets._remembering(pool)
            setattr(session, _MARK, sockets)
            session.close()  # connections of before would not be remembered; new ones are made when needed
        return sockets

    def shut(self) -> None:
        """End every connection. A thread that waits for one gets an error at once."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            if (open_socket := getattr(connection, "sock", None)) is not None:
                with contextlib.suppress(OSError):  # it ended by itself just now
                    # Not the socket's own method: that of a TLS socket drops the session under the thread that reads.
                    socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    def _remembering(self, pool: type[Any]) -> type[Any]:
        connections, lock, plain = self._connections, self._lock, pool.ConnectionCls

        class Remembering(plain):  # type: ignore[misc, valid-type]
            def connect(self) -> Any:
                with lock:
                    connections.add(self)
                return super().connect()

        return type(pool.__name__, (pool,), {"ConnectionCls": Remembering})
