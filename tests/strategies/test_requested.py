"""A capacity somebody asked for."""

import pytest

from setpoint.model import Request
from setpoint.strategies.requested import propose_requested
from setpoint.testing.values import a_state


def test_proposes_what_was_asked_for():
    """The wanted capacity is proposed, and the reason says who asked and why."""
    request = Request(wanted_units=9, reason="launch day", requested_by="ana")
    proposal = propose_requested(request, a_state(desired=4))

    assert proposal.to_units == 9
    assert proposal.reasons[0].code == "requested"
    assert proposal.reasons[0].text == "9 instances, asked for by ana: launch day"


def test_asked_for_by_nobody_in_particular():
    """A request without a name or a reason still has a reason a person can read."""
    (reason,) = propose_requested(Request(wanted_units=4), a_state(desired=4)).reasons

    assert reason.text == "4 instances, which is what it has, asked for by somebody who left no name, without a reason"


def test_quotes_text_as_data():
    """Templates, markup and line breaks in a request stay text, on one line, and a long name does not break it."""
    hostile = Request(wanted_units=5, reason="{{ 7 * 7 }}\n<script>'; DROP TABLE x", requested_by="b" * 2000)
    (reason,) = propose_requested(hostile, a_state()).reasons
    (short,) = propose_requested(hostile.model_copy(update={"requested_by": "b"}), a_state()).reasons

    assert short.text.endswith("{{ 7 * 7 }} <script>'; DROP TABLE x")
    assert "\n" not in reason.text
    assert len(reason.text) == 1000
    assert reason.text.endswith("…")


def test_refuses_a_request_without_a_capacity():
    """A request that leaves the capacity open is the strategy's to answer."""
    with pytest.raises(ValueError, match="ask the strategy"):
        propose_requested(Request(), a_state())
