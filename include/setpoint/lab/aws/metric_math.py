"""Metric math: expressions over other queries of the same GetMetricData call.

A part of the language of "Using metric math" (CloudWatch user guide): arithmetic, comparison, AND and OR, arrays in
brackets, and the functions in `FUNCTIONS` and `IF`. Points are matched by their time; a result that is no number is
dropped, as CloudWatch does. Functions over an array go on with the series that have a point, and so may hide a gap.
"""

import math
import operator
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from setpoint.lab.aws.errors import ValidationError

Series = dict[float, float]
"""Values by the start of their period, in epoch seconds and in order."""
Term = float | Series | list[Series]

_TOKEN = re.compile(
    r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_][A-Za-z0-9_]*)|(&&|\|\||[=!<>]=|[-+*/^<>(),\[\]])|(\S))"
)
_LEVELS: Sequence[Mapping[str, Callable[[float, float], float]]] = (
    {"OR": lambda a, b: float(a != 0 or b != 0), "||": lambda a, b: float(a != 0 or b != 0)},
    {"AND": lambda a, b: float(a != 0 and b != 0), "&&": lambda a, b: float(a != 0 and b != 0)},
    {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
    {"^": operator.pow},
)


@dataclass(frozen=True)
class Computed:
    """An expression's series, and how many points were dropped because they were no numbers."""

    series: Series
    dropped: int


def compute(query_id: str, expression: str, period_seconds: int, of: Callable[[str], Series]) -> Computed:
    """Compute an expression.

    :param of: gives the series of another query of the call, by its id; raises KeyError when there is none.
    :raises ValidationError: when the expression is not understood, or its result is not one series.
    """
    run = _Run(query_id, _tokens(expression), period_seconds, of)
    found = run.level(0)
    if run.at < len(run.tokens):
        raise run.error(f"unexpected {run.tokens[run.at]!r}")
    if not isinstance(found, dict):
        raise run.error("the result is not a single time series")
    kept = {at: value for at, value in found.items() if math.isfinite(value)}
    return Computed(kept, len(found) - len(kept))


def _tokens(expression: str) -> list[str]:
    return [next(filter(None, match.groups())) for match in _TOKEN.finditer(expression.rstrip())]


class _Run:
    """One expression being read from left to right and computed on the way."""

    def __init__(self, query_id: str, tokens: list[str], period_seconds: int, of: Callable[[str], Series]) -> None:
        self.tokens, self.at = tokens, 0
        self._query_id, self._period_seconds, self._of = query_id, period_seconds, of

    def error(self, why: str) -> ValidationError:
        return ValidationError(f"Error in expression '{self._query_id}': {why}")

    def level(self, number: int) -> Term:
        """What stands at one level of precedence, loosest first."""
        if number == len(_LEVELS):
            return self._single()
        left = self.level(number + 1)
        while self._next() in _LEVELS[number]:
            calculate = _LEVELS[number][self._take()]
            left = _both(calculate, left, self.level(number + 1))
        return left

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, wanted: str | None = None) -> str:
        token = self._next()
        if not token or (wanted is not None and token != wanted):
            raise self.error(f"expected {wanted or 'more'}, found {token or 'the end'!r}")
        self.at += 1
        return token

    def _single(self) -> Term:
        word = self._take()
        if word == "-":
            return _both(operator.mul, -1.0, self._single())
        if word == "(":
            inside = self.level(0)
            self._take(")")
            return inside
        if word == "[":
            return [one for one in self._until("]") if isinstance(one, dict)]
        if word[0].isdigit():
            return float(word)
        if self._next() == "(":
            self._take("(")
            return self._call(word, self._until(")"))
        try:
            return dict(self._of(word))
        except KeyError as unknown:
            raise self.error(f"unknown metric id {word!r}") from unknown

    def _until(self, end: str) -> list[Term]:
        found: list[Term] = []
        while self._next() != end:
            if found:
                self._take(",")
            found.append(self.level(0))
        self._take(end)
        return found

    def _call(self, name: str, given: list[Term]) -> Term:
        try:
            if name == "IF":
                return _if(*given)
            if name == "PERIOD":
                return float(self._period_seconds)
            found: Term = FUNCTIONS[name](*given)
        except (KeyError, TypeError, AttributeError, statistics.StatisticsError) as error:
            known = ", ".join(sorted([*FUNCTIONS, "IF", "PERIOD"]))
            raise self.error(f"{name} is not understood with this; the practice AWS knows {known}") from error
        return found


def _quietly(calculate: Callable[..., float], *given: Any) -> float:
    try:
        return float(calculate(*given))
    except (ArithmeticError, ValueError):
        return math.nan


def _both(calculate: Callable[[float, float], float], left: Term, right: Term) -> Term:
    if isinstance(left, list):
        return [_series(_both(calculate, one, right)) for one in left]
    if isinstance(right, list):
        return [_series(_both(calculate, left, one)) for one in right]
    if isinstance(left, dict):
        if isinstance(right, dict):
            return {at: _quietly(calculate, value, right[at]) for at, value in left.items() if at in right}
        return {at: _quietly(calculate, value, right) for at, value in left.items()}
    if isinstance(right, dict):
        return {at: _quietly(calculate, left, value) for at, value in right.items()}
    return _quietly(calculate, left, right)


def _series(term: Term) -> Series:
    if not isinstance(term, dict):
        raise TypeError("not a series")
    return term


def _if(condition: Term, then: Term, otherwise: Term | None = None) -> Term:
    found: Series = {}
    for at, value in _series(condition).items():
        chosen = then if value != 0 else otherwise
        if isinstance(chosen, dict):
            if at in chosen:
                found[at] = chosen[at]
        elif isinstance(chosen, float):
            found[at] = chosen
    return found


def _each(calculate: Callable[[float], float]) -> Callable[[Term], Term]:
    def over(term: Term) -> Term:
        if isinstance(term, list):
            return [{at: _quietly(calculate, value) for at, value in one.items()} for one in term]
        if isinstance(term, dict):
            return {at: _quietly(calculate, value) for at, value in term.items()}
        return _quietly(calculate, term)

    return over


def _of_time(part: Callable[[datetime], float]) -> Callable[[Series], Series]:
    return lambda series: {at: float(part(datetime.fromtimestamp(at, UTC))) for at in series}


def _together(calculate: Callable[[Iterable[float]], float]) -> Callable[[Term], Term]:
    """Over a series, one number; over an array, a series: at each time of what is there."""

    def over(term: Term) -> Term:
        if isinstance(term, dict):
            return _quietly(calculate, list(term.values()))
        if isinstance(term, float):
            return term
        times = sorted({at for one in term for at in one})
        return {at: float(calculate([one[at] for one in term if at in one])) for at in times}

    return over


def _steps(calculate: Callable[[float, float, float], float]) -> Callable[[Series], Series]:
    def over(series: Series) -> Series:
        pairs = zip(list(series.items())[:-1], list(series.items())[1:], strict=True)
        return {at: calculate(value - before, at - earlier, at) for (earlier, before), (at, value) in pairs}

    return over


def _running_sum(series: Series) -> Series:
    total = 0.0
    return {at: (total := total + value) for at, value in series.items()}


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "ABS": _each(abs),
    "CEIL": _each(math.ceil),
    "FLOOR": _each(math.floor),
    "LOG": _each(math.log),
    "LOG10": _each(math.log10),
    "AVG": _together(statistics.fmean),
    "MAX": _together(max),
    "MIN": _together(min),
    "SUM": _together(math.fsum),
    "STDDEV": _together(statistics.pstdev),
    "DIFF": _steps(lambda difference, seconds, at: difference),
    "RATE": _steps(lambda difference, seconds, at: difference / seconds),
    "RUNNING_SUM": _running_sum,
    "DATAPOINT_COUNT": lambda series: float(len(_series(series))),
    "METRIC_COUNT": lambda series: float(len(series)),
    "FIRST": lambda several: several[0],
    "LAST": lambda several: several[-1],
    "EPOCH": _of_time(datetime.timestamp),
    "MINUTE": _of_time(lambda moment: moment.minute),
    "HOUR": _of_time(lambda moment: moment.hour),
    "DAY": _of_time(datetime.isoweekday),
    "MONTH": _of_time(lambda moment: moment.month),
    "YEAR": _of_time(lambda moment: moment.year),
}
