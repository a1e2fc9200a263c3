"""What reports say of a series' numbers, for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
"""One row of the summary."""
Words = Callable[[Row], str]


def points(count: int, what: str) -> str:
    """``1 point infinite``, ``3 points infinite``."""
    return f"{count} {'point' if count == 1 else 'points'} {what}"


def counted(column: str, what: str) -> Words:
    """The count in a column, and of what."""
    return lambda row: points(row[column], what)


def seconds(span: float) -> str:
    """``90 s``, ``1.5 s``."""
    return f"{span:.1f} s".replace(".0 s", " s")


def source(row: Row) -> str:
    """What the source said of its answer."""
    words = row["source"]
    if row["announced"] != row["points"]:
        words += f", announced {row['announced']} points and gave {row['points']}"
    return "; ".join((words, *row["messages"]))


def age(row: Row) -> str:
    """The age of the newest point."""
    return f"newest point {seconds(row['age_seconds'])} old" if row["finite"] else "no point"


def coverage(row: Row) -> str:
    """How much of the window is there, and why not all of it."""
    words = f"{row['filled']} of {row['expected']} periods have a point ({row['coverage']:.1%})"
    missing = [f"{row['nulls']} null"] if row["nulls"] else []
    if row["longest_gap"]:
        missing.append(f"longest gap {seconds(row['longest_gap'] * row['period_seconds'])}")
    why = row["messages"] if not row["points"] else ()  # what the source says of an empty answer explains it
    return "; ".join((", ".join((words, *missing)), *why))


def gap(row: Row) -> str:
    """The longest time without a point between two."""
    return f"{seconds(row['gap_seconds'])} without a point between two"


def nulls(row: Row) -> str:
    """How many points are none."""
    return f"{row['nulls']} of {row['points']} points without a value or a time"


def value_range(row: Row) -> str:
    """How many points lie outside the range, and where the ends are."""
    if not row["finite"]:
        return "no point"
    return f"{points(row['beyond'], 'outside')}, lowest {row['minimum']:g}, highest {row['maximum']:g}"


def sign(row: Row) -> str:
    """How many points are negative, and how low they go."""
    lowest = f", lowest {row['minimum']:g}" if row["negatives"] else ""
    return f"{points(row['negatives'], 'below zero')} of {row['finite']}{lowest}"


def codes(row: Row) -> str:
    """How many points are an error code."""
    ends = f", lowest {row['minimum']:g}, highest {row['maximum']:g}" if row["codes"] else ""
    return f"{row['codes']} of {row['finite']} points an error code{ends}"


def zeros(row: Row) -> str:
    """How many points are zero."""
    newest = f", the newest {row['trailing_zeros']} in a row" if row["zeros"] else ""
    return f"{row['zeros']} of {row['finite']} points zero{newest}"


def newest_spike(row: Row) -> str:
    """How far the newest point stands out."""
    if row["newest_times"] <= 1:
        return "the newest point does not stand out"
    return f"the newest point alone {row['newest_times']:.4g}x off: {row['newest']:g}, median {row['median']:g}"


def wild(row: Row) -> str:
    """How many points cannot be measurements."""
    if not row["wild"]:
        return "no point stands out"
    return (
        f"{points(row['wild'], 'standing out')}: median {row['median']:g}, "
        f"lowest {row['minimum']:g}, highest {row['maximum']:g}"
    )


def standing(row: Row) -> str:
    """How long the value has not moved."""
    if not row["standing_judged"]:
        return "the newest points move, or their value may repeat"
    return f"{points(row['standing_judged'], 'in a row')} at {row['newest']:g}"


def fell(row: Row) -> str:
    """From where the median fell to where."""
    return _moved("fell", row["fell_times"], row)


def rose(row: Row) -> str:
    """From where the median rose to where."""
    return _moved("rose", row["rose_times"], row)


def _moved(how: str, times: float, row: Row) -> str:
    if not row["known_batches"]:
        return "no accepted batch to compare with"
    if times <= 1:
        return f"the median is {row['median']:g}; it was {row['median_before']:g}"
    return f"the median {how} {times:.4g}x, from {row['median_before']:g} to {row['median']:g}"
