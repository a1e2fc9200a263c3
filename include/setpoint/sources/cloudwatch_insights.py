"""Metrics Insights queries in a policy: ``SELECT ... GROUP BY`` the dimension that names the target.

Syntax and limits: "Metrics Insights query components and syntax" and "Metrics Insights quotas" in the CloudWatch user
guide: two weeks of data, 10,000 metrics processed and 500 series answered a query, one query a call, nothing finer than
a minute (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-limits.html).
"""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST_QUERY = 2048
"""``MetricExpression`` of the API."""
MOST_GROUPS = 500
"""Series one query answers with; what goes beyond is left out without a word."""
MOST_SCANNED = 10_000
"""Metrics one query looks at; those it finds beyond are left out without a word."""
FINEST = timedelta(minutes=1)
"""Data of a finer period is answered in minutes, without a word."""
REACHES_BACK = timedelta(days=14)
"""``GetMetricData``: "Metrics Insights queries can query the most recent two weeks of metric data"."""

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"")
_GROUP_BY = re.compile(r"\bGROUP\s+BY\s+(.+?)(?=\bORDER\s+BY\b|\bLIMIT\b|$)", re.IGNORECASE | re.DOTALL)
_CLAUSES = re.compile(r"^\s*SELECT\s+(?:AVG|COUNT|MAX|MIN|SUM)\s*\(.+\)\s*FROM\s+\S", re.IGNORECASE | re.DOTALL)


def problem_of(query: str, dimension: str) -> str | None:
    """What is wrong with a query whose groups are to be targets; ``None`` when there is nothing to see."""
    if not _CLAUSES.match(query):
        return "starts as SELECT AVG(metric) FROM namespace (or COUNT, MAX, MIN, SUM)"
    bare = _without_quoted(query)
    if re.search(r"\bLIMIT\b", bare, re.IGNORECASE):
        return "LIMIT leaves targets out without a word; narrow the query with WHERE"
    found = _GROUP_BY.search(bare)
    if found is None:
        return f"has no GROUP BY {dimension}: without it nobody can tell whose numbers these are"
    group = query[found.start(1) : found.end(1)].strip()
    if group.strip('"') != dimension:
        return f"groups by {group}, but dimension is {dimension}: they are the same one, which names the target"
    return None


def _without_quoted(query: str) -> str:
    """The query with every quoted text blanked out, at the same places."""
    return _QUOTED.sub(lambda match: "_" * len(match[0]), query)
