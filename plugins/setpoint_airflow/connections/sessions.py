"""botocore sessions made ahead: a session registers its 130 handlers in 15 ms, and each task needs one or two.

A session that was made before its process was forked has no credentials, no region and no connection; it gets them when
it is used, once, like a new one.
"""

from __future__ import annotations

from typing import Any

_ready: list[Any] = []
"""Sessions nobody has used. A fork has copies of its own."""

AHEAD = 2
"""As many as a task uses: one to read targets with, one to read metrics."""


def make_ready() -> None:
    """Make sessions ahead, for the forks of this process to use."""
    from botocore.session import get_session

    while len(_ready) < AHEAD:
        _ready.append(get_session())


def session_of(hook: Any) -> Any:
    """A boto3 session with a hook's credentials; its botocore session is one made ahead, while there are any.

    A deployment's own ``[aws] session_factory`` goes on being asked for everything else.
    """
    import boto3
    from airflow.providers.amazon.aws.hooks.base_aws import SessionFactory

    class _Ready(SessionFactory):
        def _create_basic_session(self, session_kwargs: dict[str, Any]) -> Any:
            if not _ready or "botocore_session" in session_kwargs:
                return super()._create_basic_session(session_kwargs)
            return boto3.session.Session(**session_kwargs, botocore_session=_ready.pop())

    return _Ready(conn=hook.conn_config, region_name=hook.region_name, config=hook.config).create_session()
