"""Quality as a metric, as it arrives at a real listener on a UDP port, through Airflow's own stats."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk._shared.observability.metrics.statsd_logger import get_statsd_logger
from airflow.sdk.observability import stats

from setpoint.model import Verdict
from setpoint.quality.rules import RULES
from setpoint.testing.values import a_report
from setpoint_airflow.quality_stats import tell_quality, tell_quarantined

Sent = dict[str, tuple[str, str]]


class StatsdClient:
    """Speaks the StatsD line protocol; stands for the `statsd` package's client, which is Airflow's optional extra."""

    def __init__(self, host: str, port: int, prefix: str, ipv6: bool = False) -> None:
        self._to, self._prefix = (host, port), prefix
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def _send(self, stat: str, value: Any, kind: str) -> None:
        self._socket.sendto(f"{self._prefix}.{stat}:{value}|{kind}".encode(), self._to)

    def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
        self._send(stat, count, "c")

    def gauge(self, stat: str, value: float, rate: float = 1, delta: bool = False) -> None:
        self._send(stat, value, "g")

    def timing(self, stat: str, delta: float, rate: float = 1) -> None:
        self._send(stat, f"{delta:.6f}", "ms")


class Listener:
    """A StatsD server, as far as receiving goes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)
        self.port: int = self._socket.getsockname()[1]

    def received(self, last: str) -> Sent:
        """Everything that came up to a metric of that name: value and type by name."""
        sent: Sent = {}
        while last not in sent:
            name, _, rest = self._socket.recv(65_535).decode().partition(":")
            value, _, kind = rest.partition("|")
            sent[name] = (value, kind)
        return sent

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A listener that Airflow's stats are sent to."""
    made = Listener()
    stats.initialize(
        factory=lambda: get_statsd_logger(
            stats_class=StatsdClient,  # type: ignore[arg-type]
            host="127.0.0.1",
            port=made.port,
            prefix="airflow",
            influxdb_tags_enabled=True,
            statsd_influxdb_enabled=True,
        ),
        export_legacy_names=True,
    )
    yield made
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    made.close()


@pytest.fixture
def report() -> Any:
    """Of four series one is degraded and one failed, both for their coverage."""
    verdicts = {"a": Verdict.PASS, "b": Verdict.PASS, "c": Verdict.DEGRADED, "d <script>": Verdict.FAIL}
    return a_report({target: {"cpu": verdict} for target, verdict in verdicts.items()})


def test_pass_rates_arrive_by_policy_and_expectation(listener: Listener, report: Any) -> None:
    """With tags, and for plain StatsD with the tags in the name; every expectation has its rate."""
    tell_quality(report)
    tell_quarantined("web")
    sent = listener.received("airflow.setpoint.quality.quarantined.web")
    q = "airflow.setpoint.quality"
    assert sent[f"{q}.pass_rate,policy=web"] == sent[f"{q}.pass_rate.web"] == ("0.5", "g")
    assert sent[f"{q}.expectation_pass_rate,policy=web,expectation=coverage"] == ("0.5", "g")
    assert sent[f"{q}.expectation_pass_rate.web.coverage"] == ("0.5", "g")
    assert sent[f"{q}.batches,policy=web,verdict=fail"] == sent[f"{q}.batches.web.fail"] == ("1", "c")
    assert sent[f"{q}.judging.web"][1] == "ms"
    assert sent[f"{q}.quarantined,policy=web"] == ("1", "c")
    kept = {rule.name for rule in RULES} - {"coverage"}
    assert all(float(sent[f"{q}.expectation_pass_rate.web.{name}"][0]) == 1 for name in kept)


def test_the_names_do_not_grow_with_the_fleet(listener: Listener) -> None:
    """No target and no metric of a policy is in a name or a tag."""
    tell_quality(a_report({f"web-{number}": {"cpu": Verdict.FAIL} for number in range(300)}))
    tell_quarantined("web")
    sent = listener.received("airflow.setpoint.quality.quarantined.web")
    assert len(sent) <= 2 * (len(RULES) + 6)
    assert not [name for name in sent if "web-" in name or "cpu" in name]


def test_names_with_tags_in_them_are_left_out_where_airflow_leaves_them_out(
    listener: Listener, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Airflow's own metrics: [metrics] legacy_names_on."""
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", "False")
    tell_quality(report)
    tell_quarantined("web")
    sent = listener.received("airflow.setpoint.quality.quarantined,policy=web")
    assert sent
    assert all("," in name for name in sent)


def test_a_batch_without_a_series_has_no_rate(listener: Listener) -> None:
    """A fleet of none neither passes nor fails: no number is made up for it."""
    tell_quality(a_report({}))
    tell_quarantined("web")
    sent = listener.received("airflow.setpoint.quality.quarantined.web")
    assert not [name for name in sent if "pass_rate" in name]
    assert sent["airflow.setpoint.quality.batches.web.fail"] == ("1", "c")
