"""An expression's points are only believed where each of its queries has a point.

Functions over several series (``SUM([a, b])``) go on with what is there when one of them has a gap, and answer with a
number that is too low. Nobody could tell from the expression's own series; so its queries are answered too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from setpoint.model import Completeness
from setpoint.sources.cloudwatch_answer import Answer, Series
from setpoint.sources.cloudwatch_queries import Asked


def without_incomplete(answer: Answer) -> Answer:
    """The answer without those points of expressions that were computed while a query had none.

    The series says so, and is not taken for complete; nor is it when one of its queries is not.
    """
    pairs = list(_pairs(answer.asked))
    if not pairs:
        return answer
    order = np.argsort(answer.codes, kind="stable")
    sorted_codes = answer.codes[order]
    bounds = np.searchsorted(sorted_codes, np.arange(len(answer.asked) + 1))
    kept = np.ones(len(answer.codes), bool)
    for number, operand in pairs:
        own, others = order[bounds[number] : bounds[number + 1]], order[bounds[operand] : bounds[operand + 1]]
        alone = ~np.isin(answer.times[own], answer.times[others])
        kept[own[alone]] = False
        _tell(answer.series[number], answer.series[operand], str(answer.asked[operand].operand), alone)
    return replace(answer, codes=answer.codes[kept], times=answer.times[kept], values=answer.values[kept])


def _pairs(asked: list[Asked]) -> Iterator[tuple[int, int]]:
    """The numbers of each expression's series and of each series it is computed of."""
    operands: dict[tuple[str, str | None], list[int]] = {}
    for number, one in enumerate(asked):
        if one.operand is not None:
            operands.setdefault((one.metric, one.target), []).append(number)
    for number, one in enumerate(asked if operands else ()):
        if one.operand is None:
            for key in ((one.metric, one.target), (one.metric, None)):
                yield from ((number, operand) for operand in operands.get(key, ()))


def _tell(series: Series, operand: Series, name: str, alone: npt.NDArray[np.bool_]) -> None:
    if alone.any():
        series.suspect = True
        series.note(f"{alone.sum()} points are left out: {name} has none at their times")
    if operand.final_status is not Completeness.COMPLETE:
        series.suspect = True
        if operand.final_status is Completeness.ERROR:
            series.status = Completeness.ERROR
        for message in operand.messages or [f"CloudWatch's answer does not mention it ({operand.final_status})"]:
            series.note(f"{name}: {message}")
