"""From the names of points to the targets whose they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from setpoint.sources.by_name import ByName

NAMES = st.dictionaries(st.text(max_size=3), st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1)


@given(NAMES, st.data())
def test_every_point_is_spread_to_all_who_share_its_name(codes_of: dict[str, list[int]], data: st.DataObject) -> None:
    """As a loop over the points would do it, in that order."""
    names = list(codes_of)
    found = data.draw(st.lists(st.integers(0, len(names) - 1), max_size=20))
    points, codes = ByName(codes_of).spread(np.array(found, np.int64))
    assert list(zip(points.tolist(), codes.tolist(), strict=True)) == [
        (point, code) for point, number in enumerate(found) for code in codes_of[names[number]]
    ]


def test_nobody_has_nothing() -> None:
    """An empty fleet, and no points at all."""
    points, codes = ByName({}).spread(np.empty(0, np.int64))
    assert (len(points), len(codes)) == (0, 0)
