"""Pulling one batch: every metric of a policy, for its whole fleet, from whatever sources it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from setpoint.model import MetricBatch, Window
from setpoint.sources.contract import Fetched, MetricConfig, Source, SourceError
from setpoint.sources.origin import by_origin

if TYPE_CHECKING:
    from setpoint.policy.schema import Policy
    from setpoint.sources.batches import BatchStore


def pull(
    policy: Policy, targets: Sequence[str], now: datetime, sources: Mapping[str, Source], store: BatchStore
) -> MetricBatch:
    """Fetch all metrics of all targets and store them as one batch.

    :param targets: the fleet; may be empty, the batch is then empty too.
    :param now: the moment the metrics' windows are reckoned from; it becomes the batch's ``pulled_at``.
    :param sources: the sources the policy's metrics name, each built with its own client, by ``str(origin)``.
    :raises SourceError: a source could not answer, is not there, or broke its contract.
    """
    import pandas as pd

    from setpoint.sources.frame import empty_frame

    grouped = by_origin(policy)
    if missing := sorted(grouped.keys() - sources.keys()):
        raise SourceError(f"policy {policy.name} names sources that were not built: {missing}", retryable=False)
    distinct = tuple(dict.fromkeys(targets))
    fetched = {origin: sources[origin].fetch(metrics, distinct, now) for origin, metrics in grouped.items()}
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
