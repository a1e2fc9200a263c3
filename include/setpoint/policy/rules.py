"""The rules between keys that pydantic never reaches because a single value beside them is wrong.

``limits: {min: 9, max: 4, max_step: {out: none}}`` breaks two rules, and pydantic reports one: a section's own rule is
not run while one of its values is refused. So the refused values are replaced by values that are accepted there, many
times over, differently each time: a rule that is broken every single time, in the same words, is broken whatever the
value will be.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from setpoint.policy.yaml_text import Path

Error = Any
_ABSENT: Final = object()
_FILLERS: Final[tuple[Any, ...]] = (
    _ABSENT, 0, 1, 1_000_000, 0.001, 0.5, True, "x", "a-b", "1s", "30s", "1h", "1000d", "1 of 1", "1 of 1000", "1x",
    "mean", "1%", "* * * * *", [], [0, 1_000_000], ["x"], {},
)  # fmt: skip
_TRIALS: Final = 32
_MOST_PLACES: Final = 12


def hidden_rules(
    data: Any,
    errors: Sequence[Error],
    path_of: Callable[[Error, Any], Path],
    check: Callable[[Any], list[Error]],
) -> list[Error]:
    """The errors that come to light once every refused value is put right, in whatever way.

    :param data: the policy as plain data.
    :param errors: what the schema refuses in it.
    :param path_of: the place in the data of one of these errors.
    :param check: the errors of some data.
    """
    places = sorted({path_of(error, data) for error in errors if error["loc"][-1:] != ("[key]",)}, key=str)
    places = [place for place in places if place and _holder(data, place) is not None]
    if not places or len(places) > _MOST_PLACES:
        return []
    accepted = {place: _accepted(data, place, path_of, check) for place in places}
    # Where no filler fits, nobody knows what a right value would do to the rules of the sections around it.
    unknown = [place for place in places if accepted[place] in ([], [_ABSENT])]
    choice = random.Random(0)  # noqa: S311 - seeded, so that a file has the same problems every time
    surviving: dict[str, Error] | None = None
    for _ in range(_TRIALS):
        trial = data
        for place in places:
            if accepted[place]:
                trial = _with(trial, place, choice.choice(accepted[place]))
        found = {
            repr((error["loc"], error["type"], error["msg"])): error
            for error in check(trial)
            if error["type"] in ("policy", "value_error") and _sound(path_of(error, trial), places, unknown)
        }
        surviving = {key: value for key, value in found.items() if surviving is None or key in surviving}
        if not surviving:
            return []
    return list((surviving or {}).values())


def _sound(path: Path, places: Sequence[Path], unknown: Sequence[Path]) -> bool:
    return path not in places and not any(place[: len(path)] == path for place in unknown)


def _accepted(
    data: Any, place: Path, path_of: Callable[[Error, Any], Path], check: Callable[[Any], list[Error]]
) -> list[Any]:
    """The fillers that are accepted at one place."""
    accepted = []
    for filler in _FILLERS:
        trial = _with(data, place, filler)
        if not any(path_of(error, trial)[: len(place)] == place for error in check(trial)):
            accepted.append(filler)
    return accepted


def _holder(data: Any, place: Path) -> Any:
    """The section or list a place is in, or ``None`` when there is no such thing."""
    for part in place[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    last = place[-1]
    fits = isinstance(data, dict) if isinstance(last, str) else isinstance(data, list) and last < len(data)
    return data if fits else None


def _with(data: Any, place: Path, filler: Any) -> Any:
    data = copy.deepcopy(data)
    holder = _holder(data, place)
    if holder is None:
        # An outer place was filled first, and this one went with it.
        return data
    if filler is not _ABSENT:
        holder[place[-1]] = filler
    elif isinstance(holder, dict):
        holder.pop(place[-1], None)
    return data
