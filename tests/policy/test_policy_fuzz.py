"""Whatever stands in a file, the loader answers with a policy or with problems."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setpoint.policy.loader import load_policies
from setpoint.policy.problems import dotted
from setpoint.policy.yaml_text import read_yaml

EXAMPLE = Path(__file__).resolve().parents[2] / "include" / "policies" / "storefront-web.yaml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
DATA = read_yaml(TEXT).data

LENIENT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


def check(path: Path) -> None:
    """Load a file: either it is valid, or every problem has a place in it."""
    lines = max(1, len(path.read_bytes().decode("utf-8", "replace").splitlines()))
    loaded = load_policies(path.parent)
    assert [one.path for one in loaded.policies] == [path] or loaded.broken[path]
    for problem in loaded.broken.get(path, ()):
        assert problem.file == path
        assert 1 <= problem.line <= lines
        assert problem.message
        assert str(problem).isprintable()


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in parts for place in places(value, (*path, key)))]


@LENIENT
@given(text=st.text(max_size=400))
def test_any_text(tmp_path: Path, text: str) -> None:
    """Arbitrary text never crashes the loader."""
    path = tmp_path / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    check(path)


@LENIENT
@given(raw=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    """Arbitrary bytes never crash the loader."""
    path = tmp_path / "any.yaml"
    path.write_bytes(raw)
    check(path)


@LENIENT
@given(data=st.data())
def test_a_policy_with_pieces_of_text_moved_about(tmp_path: Path, data: st.DataObject) -> None:
    """YAML with a part cut out, doubled or replaced by YAML's own signs never crashes the loader."""
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 60)))
    middle = data.draw(
        st.sampled_from(["", TEXT[start:end] * 2, "&a ", "*a", "!!python/object:os.system ", "<<: ", "? "])
    )
    path = tmp_path / "any.yaml"
    path.write_text(TEXT[:start] + middle + TEXT[end:], encoding="utf-8")
    check(path)


@LENIENT
@given(data=st.data())
def test_a_policy_with_any_value_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    """Any value in any place, or any key beside any other, is accepted or reported, never a crash."""
    policy = json.loads(json.dumps(DATA))
    place = data.draw(st.sampled_from(places(DATA)[1:]))
    holder = policy
    for part in place[:-1]:
        holder = holder[part]
    if data.draw(st.booleans()) and isinstance(holder, dict):
        holder[data.draw(st.text(max_size=10))] = data.draw(values)
    else:
        holder[place[-1]] = data.draw(values)
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(policy), encoding="utf-8")
    check(path)


@LENIENT
@given(text=st.text(max_size=100))
def test_other_policies_still_load(tmp_path: Path, text: str) -> None:
    """Whatever one file holds, the one beside it is there."""
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    (tmp_path / "storefront-web.yaml").write_text(TEXT, encoding="utf-8")
    assert load_policies(tmp_path).named("storefront-web") is not None


@pytest.mark.parametrize(
    "place", [one for one in places(DATA)[1:] if isinstance(one[-1], str)], ids=lambda place: ".".join(map(str, place))
)
def test_a_policy_with_any_part_missing(tmp_path: Path, place: tuple[Any, ...]) -> None:
    """What is missing may be left out, or it is reported at its own place or at a section around it.

    But a default of ``min_samples`` that the observation window is too short for is reported at the window.
    """
    policy = json.loads(json.dumps(DATA))
    holder = policy
    for part in place[:-1]:
        holder = holder[part]
    del holder[place[-1]]
    path = tmp_path / "any.yaml"
    path.write_text(json.dumps(policy), encoding="utf-8")
    problems = load_policies(tmp_path).broken.get(path, ())
    own = dotted(place)
    around = {dotted(place[:length]) for length in range(len(place))}
    referring = [one for one in problems if "not one of the policy's metrics" in one.message]
    elsewhere = {"feedback.after"} if own == "feedback.min_samples" else set()
    assert all(one.path in {own, *around, *elsewhere} for one in problems if one not in referring)
    assert not referring or place[0] == "metrics"
