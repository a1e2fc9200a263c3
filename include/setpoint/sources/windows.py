"""The rule every window keeps: a whole number of periods."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationInfo

from setpoint.policy.fields import format_duration, refuse


def whole_window(window: timedelta, info: ValidationInfo) -> timedelta:
    """A field validator for ``window``, which stands after ``period``.

    :raises PydanticCustomError: the window is no whole number of periods, or shorter than one.
    """
    period = info.data.get("period")
    if period is None or (window >= period and not window % period):  # a period with a mistake is reported by itself
        return window
    below = window // period * period
    nearest = " or ".join(format_duration(one) for one in ([below, below + period] if below else [period]))
    raise refuse(f"window is a whole number of periods of {format_duration(period)}, at least one: such as {nearest}")


def whole_seconds(period: timedelta) -> timedelta:
    """A field validator for ``period``.

    :raises PydanticCustomError: the period is shorter than a second.
    """
    if period < timedelta(seconds=1):
        raise refuse("period is at least 1s")
    return period
