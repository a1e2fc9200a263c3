"""Numbers that mean that nothing was measured, sent where a value should be."""

from __future__ import annotations

from typing import Final

import numpy as np

from setpoint.quality.limits import Limits
from setpoint.signals.locate import Booleans, Floats, Integers

FAR_TIMES = 3.0
"""A usual code is one where it is so many times larger than all that was measured; nearer it may be a value."""
ROUNDING = 1e-9
"""A value below zero by less than this part of the largest one is a zero that was calculated."""

_NINES = [10.0**digits - 1 for digits in range(3, 11)]
_INTEGERS = [2.0**bits for bits in (31, 32, 53, 63, 64)] + [2.0**bits - 1 for bits in (15, 16, 31, 32, 53)]
_FILLS = [*(10.0**digits for digits in range(20, 39)), 9.969209968386869e36]
_LARGEST = [float(np.finfo(np.float32).max), float(np.finfo(np.float64).max)]
_NEGATIVE = [-1.0, -9.0, -99.0, -127.0, -128.0, -32768.0]
USUAL_CODES: Final[Floats] = np.unique(
    [*_NEGATIVE, *(sign * code for code in (*_NINES, *_INTEGERS, *_FILLS, *_LARGEST) for sign in (1, -1))]
)
"""Nines and minus nines; the ends of the integers of 16, 32, 53 and 64 bits; the fill values of netCDF ("NetCDF Users
Guide", ``NC_FILL_FLOAT``) and of climate and forecast data (1e20 and larger powers of ten); the largest floats; -1,
and the -127 of a disconnected DS18B20."""


def negative_points(points: Floats, floor: Floats) -> Booleans:
    """The points below the floor of their series, by more than rounding makes.

    :param points: shape (n, points); NaN is no point.
    :param floor: shape (n,); 0, or minus infinity where any value may be.
    """
    largest = np.fmax.reduce(np.abs(points), axis=1, initial=0.0)
    return np.asarray(points < (floor - ROUNDING * largest)[:, None])


def code_points(
    points: Floats, *, own: Floats, usual: Booleans, low: Floats, high: Floats, largest_before: Floats
) -> Booleans:
    """The points that are an error code: the metric's own wherever they stand, a usual one far from all values.

    What far is from say the window's other points and the accepted batches; where there are neither, a usual code is
    one. An end of ``between`` is a value: the policy says so.

    The parameters are as in :class:`setpoint.quality.limits.Limits`, for the series of ``points``.

    :param points: shape (n, points); NaN is no point.
    """
    is_own = (points[:, :, None] == own[:, None, :]).any(axis=2)
    suspects = np.isin(points, USUAL_CODES) & usual[:, None] & ~is_own
    suspects &= (points != low[:, None]) & (points != high[:, None])
    sizes = np.abs(points)
    measured = np.fmax.reduce(np.where(suspects | is_own, np.nan, sizes), axis=1, initial=0.0)
    with np.errstate(over="ignore"):
        far = sizes >= (FAR_TIMES * np.maximum(measured, largest_before))[:, None]
    return np.asarray(is_own | (suspects & far))


def suspects_of(minimum: Floats, maximum: Floats, limits: Limits) -> Integers:
    """The series that may have such a point, by their extremes: what is far from all values is one of these."""
    usual = limits.usual_codes & (np.isin(minimum, USUAL_CODES) | np.isin(maximum, USUAL_CODES))
    return np.flatnonzero(usual | np.isfinite(limits.own_codes).any(axis=1))
