"""Metric math in a policy: an expression over queries that the policy declares, and over nothing else.

The language is that of "Using metric math" in the CloudWatch user guide. Left out is what reads other metrics than
those declared, what answers with several series, and what makes numbers of missing points.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

QUERY_NAME = r"^[a-z][a-z0-9_]{0,30}$"
"""What a query may be called: an id of the API (``MetricDataQuery``), short enough to be told apart in a sentence."""
LONGEST_EXPRESSION = 2048
"""``MetricExpression`` of the API."""
LONGEST_ID = 44
"""Of the ids that stand for names when CloudWatch is asked (see ``cloudwatch_queries``)."""
MOST_QUERIES = 10

_FUNCTIONS = frozenset(
    {"ABS", "AVG", "CEIL", "DATAPOINT_COUNT", "DATE", "DAY", "DIFF", "DIFF_TIME", "EPOCH", "FIRST", "FLOOR", "HOUR"}
    | {"IF", "LAST", "LOG", "LOG10", "MAX", "METRIC_COUNT", "MIN", "MINUTE", "MONTH", "PERIOD", "RATE", "RUNNING_SUM"}
    | {"SERVICE_QUOTA", "STDDEV", "SUM", "YEAR"}
)
_WORDS = frozenset({"AND", "OR", "TRUE", "FALSE"})
_MAKES_NUMBERS = "makes numbers of missing points, which nobody could tell from measured ones"
_READS_OTHERS = "reads other metrics than those in queries"
_SEVERAL = "answers with several series, or none; a metric is one series for each target"
_REFUSED: Mapping[str, str] = {
    "FILL": _MAKES_NUMBERS,
    "TIME_SERIES": _MAKES_NUMBERS,
    "SEARCH": _READS_OTHERS,
    "METRICS": _READS_OTHERS,
    "INSIGHT_RULE_METRIC": _READS_OTHERS,
    "DB_PERF_INSIGHTS": _READS_OTHERS,
    "LAMBDA": _READS_OTHERS,
    "SORT": _SEVERAL,
    "SLICE": _SEVERAL,
    "REMOVE_EMPTY": _SEVERAL,
    "ANOMALY_DETECTION_BAND": _SEVERAL,
}
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||[=!<>]=|[-+*/^<>(),\[\]])|(?P<other>.)",
    re.DOTALL,
)


def problem_of(expression: str, queries: Collection[str]) -> str | None:
    """What is wrong with an expression over some queries; ``None`` when CloudWatch would take it."""
    used: set[str] = set()
    for kind, text in _tokens(expression):
        if kind == "other":
            return f"{text!r} has no place in metric math over queries"
        if kind == "word":
            if text in queries:
                used.add(text)
            elif problem := _word_problem(text, queries):
                return problem
    if unused := sorted(set(queries) - used):
        return f"does not use {', '.join(unused)} of queries; leave out what is not needed"
    if _depth_problem(expression):
        return "its brackets do not match"
    return None


def rewritten(expression: str, ids: Mapping[str, str]) -> str:
    """The expression with an id in place of each query's name."""
    return "".join(ids.get(text, text) if kind == "word" else text for kind, text in _tokens(expression))


def longest(expression: str, queries: Collection[str]) -> int:
    """How long the expression may become when ids stand in place of the names."""
    return len(rewritten(expression, dict.fromkeys(queries, "x" * LONGEST_ID)))


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(expression):
        yield str(match.lastgroup), match[0]


def _word_problem(word: str, queries: Collection[str]) -> str | None:
    if word in _FUNCTIONS or word in _WORDS:
        return None
    if word in _REFUSED:
        return f"{word} {_REFUSED[word]}"
    close = difflib.get_close_matches(word, [*queries, *_FUNCTIONS], n=1)
    if not close:
        close = difflib.get_close_matches(word.upper(), _FUNCTIONS, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    what = "a function of metric math" if word.isupper() else "one of queries"
    return (
        f"{word} is not {what} ({', '.join(sorted(queries))}){hint}"
        if word.islower()
        else f"{word} is not {what}{hint}"
    )


def _depth_problem(expression: str) -> bool:
    pairs, opened = {")": "(", "]": "["}, []
    for _, text in _tokens(expression):
        if text in "([":
            opened.append(text)
        elif text in pairs and (not opened or opened.pop() != pairs[text]):
            return True
    return bool(opened)
