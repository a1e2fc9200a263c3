"""Noticing a half-built Python environment before Airflow does."""

import pytest

from setpoint.stack import python_environment
from setpoint.stack.errors import BrokenEnvironmentError


def test_a_whole_environment_passes() -> None:
    """What `make setup` builds is whole."""
    python_environment.require_whole_environment()


def test_everything_missing_is_listed_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package and one of another version are both named, and so is the command that helps."""
    monkeypatch.setattr(
        python_environment, "NEEDED", {"no-such-distribution": None, "pandas": "0.1", "SQLAlchemy": None}
    )

    with pytest.raises(BrokenEnvironmentError) as refused:
        python_environment.require_whole_environment()

    assert len(refused.value.problems) == 2
    assert "no-such-distribution is not installed" in str(refused.value)
    assert "this project is built for 0.1" in str(refused.value)
    assert "make setup" in str(refused.value)
