"""What the webhook answers: a receipt, or a problem in the form of RFC 9457."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse


class ProblemError(Exception):
    """Ends a request with a problem.

    :param status: the HTTP status.
    :param code: for programs; ``docs/how-to/send-events.md`` lists them.
    :param detail: for people: what is wrong, and what would be right. Nothing secret.
    :param headers: such as ``Retry-After``.
    """

    def __init__(self, status: HTTPStatus, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    def answer(self) -> JSONResponse:
        """The problem as a response."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.detail,
        }
        return JSONResponse(
            content, status_code=self.status, headers=self.headers, media_type="application/problem+json"
        )


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to come again: whole seconds, rounded up, at least one."""
    return {"Retry-After": str(max(1, int(-(-seconds // 1))))}
