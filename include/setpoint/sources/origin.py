"""Where a metric is read: its source, over which connection, in which region.

Metrics of one origin are fetched together; a policy's sources are kept by ``str(origin)``. That is the source's name
alone where a metric names neither connection nor region: ``aws.cloudwatch``, ``aws.cloudwatch in us-east-1``,
``prometheus via prometheus_eu``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from setpoint.sources import SOURCES

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy
    from setpoint.sources.contract import MetricConfig


@dataclass(frozen=True)
class Origin:
    """A source, and the connection and region that a metric names itself."""

    source: str
    connection: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        via = f" via {self.connection}" if self.connection else ""
        where = f" in {self.region}" if self.region else ""
        return f"{self.source}{via}{where}"

    def place(self, policy: Policy) -> tuple[str | None, str | None]:
        """The connection and region to use: for an AWS source those of the targets where the metric names none.

        Only a metric over the targets' own connection takes over their region; another connection has its own.
        """
        if SOURCES.load(self.source).connection_type != "aws":
            return self.connection, self.region
        targets = policy.targets
        connection = self.connection or targets.connection
        return connection, self.region or (targets.region if connection == targets.connection else None)


def origin_of(metric: MetricConfig) -> Origin:
    """Where a metric is read, by the keys ``connection`` and ``region`` of its section, where its source has them."""
    return Origin(metric.source, getattr(metric, "connection", None), getattr(metric, "region", None))


def by_origin(policy: Policy) -> dict[str, dict[str, MetricConfig]]:
    """A policy's metrics by name, grouped by ``str(origin)``."""
    grouped: dict[str, dict[str, MetricConfig]] = {}
    for name, metric in policy.metrics.items():
        grouped.setdefault(str(origin_of(metric)), {})[name] = metric
    return grouped
