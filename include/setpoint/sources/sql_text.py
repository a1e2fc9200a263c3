"""What a policy's query may be: one statement that reads, with parameters by name and nothing pasted in."""

from __future__ import annotations

import difflib
import re

PARAMETERS = ("start", "end", "targets")

# As sqlalchemy.text() finds them: not after a colon or a backslash (``::float`` and ``\:`` are none), quoted or not.
_PARAMETER = re.compile(r"(?<![:\w\x5c]):(\w+)(?![:\w])")
_QUOTED = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \$(\w*)\$.*?\$\1\$ | --[^\n]* | /\*.*?\*/""", re.VERBOSE | re.DOTALL
)
_READS = re.compile(r"(select|with|values|table|from)\b", re.IGNORECASE)
_LISTED = re.compile(r"\bin\s+:targets\b", re.IGNORECASE)


def parameters_of(query: str) -> frozenset[str]:
    """The names of a query's parameters."""
    return frozenset(_PARAMETER.findall(query))


def query_problem(query: str) -> str | None:
    """Why a query is not taken; ``None`` when it is.

    That it changes nothing is not read from its text: the database's read-only transaction, or the privileges of the
    connection's user, see to it. What is refused here are mistakes, and ways out of that transaction.
    """
    bare = _QUOTED.sub(" ", query).strip().rstrip(";").strip()
    if ";" in bare:
        return "query is one statement; there is a semicolon in the middle of it"
    if not _READS.match(bare):
        return "query begins with SELECT or WITH; it only reads"
    named = parameters_of(query)
    if unknown := sorted(named - set(PARAMETERS)):
        return f"query has no parameter :{unknown[0]}; there are {_list()}{_hint(unknown[0])}"
    if missing := [name for name in ("start", "end") if name not in named]:
        return (
            f"query does not use :{missing[0]}; without both :start and :end it reads all there ever was: "
            "WHERE ts >= :start AND ts < :end"
        )
    if "targets" in named and len(_LISTED.findall(query)) != len(re.findall(r"(?<![:\w\x5c]):targets\b", query)):
        return "query uses :targets as a list, without brackets around it: WHERE host IN :targets"
    if re.search(r"\{\{\s+\w|\{%|\$\{", query):
        return f"query is not a template; the only parameters are {_list()}, which are handed to the database apart"
    return None


def _list() -> str:
    return ", ".join(f":{name}" for name in PARAMETERS)


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, PARAMETERS, n=1)
    return f"; did you mean :{close[0]}?" if close else rf". Where no parameter is meant, write \:{name}"
