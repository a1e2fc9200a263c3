"""Pulling one batch: every metric of a policy, for its whole fleet, from whatever sources it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from setpoint.model import Completeness, MetricBatch, SeriesStatus, Window
from setpoint.sources.contract import Fetched, MetricConfig, Source, SourceError
from setpoint.sources.origin import by_origin

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy
    from setpoint.sources.batches import BatchStore

_LONGEST_MESSAGE = 500
"""Characters kept of an error, once for each series it is the word on."""


def pull(
    policy: Policy,
    targets: Sequence[str],
    now: datetime,
    sources: Mapping[str, Source],
    store: BatchStore,
    goes_on: Callable[[str, SourceError], bool] | None = None,
) -> MetricBatch:
    """Fetch all metrics of all targets and store them as one batch.

    :param targets: the fleet; may be empty, the batch is then empty too.
    :param now: the moment the metrics' windows are reckoned from; it becomes the batch's ``pulled_at``.
    :param sources: the sources the policy's metrics name, each built with its own client, by ``str(origin)``.
    :param goes_on: asked when an origin could not answer at all: whether to go on without it. Its series are then
        empty, with the error as the source's word on each. Left out, nothing goes on.
    :raises SourceError: a source could not answer, is not there, or broke its contract.
    """
    import pandas as pd

    from setpoint.sources.frame import empty_frame

    grouped = by_origin(policy)
    if missing := sorted(grouped.keys() - sources.keys()):
        raise SourceError(f"policy {policy.name} names sources that were not built: {missing}", retryable=False)
    distinct = tuple(dict.fromkeys(targets))
    fetched: dict[str, Fetched] = {}
    for origin, metrics in grouped.items():
        try:
            fetched[origin] = sources[origin].fetch(metrics, distinct, now)
        except SourceError as error:
            if goes_on is None or not goes_on(origin, error):
                raise
            fetched[origin] = _unanswered(metrics, distinct, str(error))
    for origin, answer in fetched.items():
        _keeps_contract(origin, answer, distinct, grouped[origin])
    frames = [answer.frame for answer in fetched.values() if len(answer.frame)]
    return store.write(
        pd.concat(frames, ignore_index=True) if frames else empty_frame(),
        policy=policy.name,
        window=_covering([metric.window_at(now) for metric in policy.metrics.values()]),
        series=[one for answer in fetched.values() for one in answer.series],
        units={metric: unit for answer in fetched.values() for metric, unit in answer.units.items()},
        pulled_at=now,
    )


def _unanswered(metrics: Mapping[str, MetricConfig], targets: Sequence[str], why: str) -> Fetched:
    """The answer of an origin that gave none: every series empty, never a made-up value."""
    from setpoint.sources.frame import empty_frame

    series = tuple(
        SeriesStatus(
            target=target,
            metric=name,
            status=Completeness.ERROR,
            points=0,
            expected_points=metric.expected_points,
            period_seconds=metric.period_seconds,
            messages=(why[:_LONGEST_MESSAGE],),
        )
        for target in targets
        for name, metric in metrics.items()
    )
    return Fetched(empty_frame(), series, {name: metric.unit for name, metric in metrics.items()})


def _keeps_contract(source: str, answer: Fetched, targets: Sequence[str], metrics: Mapping[str, MetricConfig]) -> None:
    answered = Counter((one.target, one.metric) for one in answer.series)
    asked = {(target, metric) for target in targets for metric in metrics}
    problems = [f"no status for {metric} of {target}" for target, metric in sorted(asked - answered.keys())]
    problems += [f"{metric} of {target} was not asked for" for target, metric in sorted(answered.keys() - asked)]
    problems += [
        f"{count} statuses for {metric} of {target}" for (target, metric), count in answered.items() if count > 1
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise SourceError(
            f"source {source} breaks its contract (one status for each series asked for): "
            f"{'; '.join(problems[:3])}{more}. Mend the source.",
            retryable=False,
        )


def _covering(windows: Sequence[Window]) -> Window:
    return Window(start=min(one.start for one in windows), end=max(one.end for one in windows))
