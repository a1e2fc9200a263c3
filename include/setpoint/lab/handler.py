"""moto's WSGI application and its request handler, without a log line per request."""

from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app


class QuietRequestHandler(MotoRequestHandler):
    """Answers requests; only errors are worth a line."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def setup(self) -> None:
        """Send small packets at once: an answer is a header and a body, and Nagle would hold back the second."""
        self.disable_nagle_algorithm = True
        super().setup()


def moto_application() -> Any:
    """Return moto's dispatcher over all services."""
    return DomainDispatcherApplication(create_backend_app)
