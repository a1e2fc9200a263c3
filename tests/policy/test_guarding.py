"""The policy's words for guards between metrics, smaller steps and the fallback."""

from pathlib import Path

import pytest

from setpoint.policy.fields import parse_distance
from setpoint.policy.guarding import Fallback, FallbackThen
from setpoint.policy.loader import load_policy
from setpoint.policy.problems import PolicyError
from setpoint.policy.schema import Policy
from setpoint.testing.values import a_policy

AGENT = """\
    window: 10m
  agent:
    source: aws.cloudwatch
    namespace: CWAgent
    name: cpu_usage_active
    statistic: Average
    period: 60s
    window: 10m
  twin:
    source: aws.cloudwatch
    namespace: AWS/EC2
    name: CPUUtilization
    statistic: Average
    period: 60s
    window: 10m
quality:
"""


def problems_of(path: Path) -> dict[str, str]:
    """Path and message of every problem of a policy file."""
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    return {problem.path: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("name", "section", "path", "said"),
    [
        ("not a way to fall back", "fallback: {then: panic}", "fallback.then", "hold, {capacity: N}"),
        ("no whole number", "fallback: {then: {capacity: some}}", "fallback.then", "hold, {capacity: N}"),
        ("two ways at once", "fallback: {then: {capacity: 4, keep_if_higher: 4}}", "fallback.then", "hold, {capacity"),
        ("never", "fallback: {after: 0}", "fallback.after", "at least 1"),
        ("beyond the limits", "fallback: {then: {capacity: 50}}", "fallback.then.capacity", "outside the limits (2 to"),
        ("below the limits", "fallback: {then: {keep_if_higher: 1}}", "fallback.then.keep_if_higher", "outside"),
        (
            "a metric nobody has",
            "guards: {no_scale_in_while: [{metric: agnet, above: 5}]}",
            "guards.no_scale_in_while[0].metric",
            "not one of the policy's metrics",
        ),
        (
            "another one nobody has",
            "guards: {scale_in_needs: [{metric: agent, agrees_with: cpus, within: 10%}]}",
            "guards.scale_in_needs[0].agrees_with",
            "not one of the policy's metrics",
        ),
        (
            "no threshold",
            "guards: {no_scale_in_while: [{metric: agent}]}",
            "guards.no_scale_in_while[0]",
            "give above or below",
        ),
        (
            "both thresholds",
            "guards: {no_scale_in_while: [{metric: agent, above: 5, below: 3}]}",
            "guards.no_scale_in_while[0]",
            "give above or below",
        ),
        (
            "more points than there are",
            "guards: {no_scale_in_while: [{metric: agent, above: 5, for: 3 of 50}]}",
            "guards.no_scale_in_while[0].for",
            "metrics.agent has 10",
        ),
        (
            "no distance",
            "guards: {scale_in_needs: [{metric: agent, agrees_with: cpu}]}",
            "guards.scale_in_needs[0]",
            "go together",
        ),
        (
            "two questions in one",
            "guards: {scale_in_needs: [{metric: agent, agrees_with: cpu, within: 5, below: 3}]}",
            "guards.scale_in_needs[0]",
            "agrees_with and within, or above or below",
        ),
        (
            "no question at all",
            "guards: {scale_in_needs: [{metric: agent}]}",
            "guards.scale_in_needs[0]",
            "say what the metric has to do",
        ),
        (
            "agreeing with itself",
            "guards: {scale_in_needs: [{metric: cpu, agrees_with: cpu, within: 5}]}",
            "guards.scale_in_needs[0]",
            "always agrees with itself",
        ),
        (
            "one measurement under two names",
            "guards: {scale_in_needs: [{metric: twin, agrees_with: cpu, within: 5}]}",
            "guards.scale_in_needs[0].agrees_with",
            "the same measurement",
        ),
        (
            "an odd distance",
            "guards: {scale_in_needs: [{metric: agent, agrees_with: cpu, within: near}]}",
            "guards.scale_in_needs[0].within",
            "how far apart",
        ),
    ],
)
def test_one_mistake_is_one_problem(write, name: str, section: str, path: str, said: str) -> None:
    """The problem is at the place of the mistake, and says what is wrong there."""
    problems = problems_of(write(("    window: 10m\nquality:\n", AGENT), ("limits:", f"{section}\nlimits:")))

    ((where, message),) = problems.items()
    assert where.startswith(path), name
    assert said in message, name


@pytest.mark.parametrize(("part", "said"), [("0", "a step is"), ("150%", "at most 100%"), ("half", "a step is")])
def test_a_part_of_a_step(write, part: str, said: str) -> None:
    """A smaller step is at least one unit, and not larger than the step itself."""
    problems = problems_of(write(("  max: 20", f"  max: 20\n  degraded_step: {part}")))

    assert list(problems) == ["limits.degraded_step"]
    assert said in problems["limits.degraded_step"]


def test_a_policy_says_it_as_it_is_written() -> None:
    """What a policy holds is written back in the file's own words, and read again as the same."""
    cpu = a_policy().to_json()["metrics"]["cpu"]
    policy = a_policy(
        metrics=dict.fromkeys(["cpu", "agent"], cpu),
        limits={"min": 2, "max": 10, "degraded_step": "25%"},
        guards={
            "scale_in_needs": [
                {"metric": "agent", "agrees_with": "cpu", "within": "10%"},
                {"metric": "agent", "below": 5, "for": "2 of 3"},
            ],
            "no_scale_in_while": [{"metric": "agent", "above": 90, "for": "1 of 2"}],
        },
        fallback={"after": 5, "then": {"keep_if_higher": 4}},
    )
    written = policy.model_dump(mode="json", by_alias=True)

    assert written["fallback"] == {"after": 5, "then": {"keep_if_higher": 4}}
    assert written["limits"]["degraded_step"] == "25%"
    assert written["guards"]["scale_in_needs"][0]["within"] == "10%"
    assert Policy.model_validate(written) == policy
    assert policy.guards.signals_wanted() == (("agent", "mean"), ("cpu", "mean"))


def test_without_a_word_nothing_is_guarded_and_the_fallback_holds() -> None:
    """A policy that says nothing of it has no guards between metrics, and changes nothing after three failures."""
    policy = a_policy()

    assert (policy.guards.scale_in_needs, policy.guards.no_scale_in_while) == ((), ())
    assert (policy.fallback.after, str(policy.fallback.then), policy.fallback.then.units) == (3, "hold", None)
    assert str(policy.limits.degraded_step) == "50%"


@pytest.mark.parametrize(
    ("within", "one", "other", "allowed"),
    [
        ("10%", 100, 90, True),
        ("10%", 100, 89, False),
        ("10%", -100, -90, True),
        ("10%", 0, 0, True),
        ("10%", 0, 1, False),
        (5, 20, 25, True),
        (5, 20, 26, False),
        (0, 3, 3, True),
    ],
)
def test_how_far_apart(within, one: float, other: float, allowed: bool) -> None:
    """In percent of the larger one's size, or in the values' own unit; the same whichever comes first."""
    distance = parse_distance(within)

    assert distance.allows(one, other) is allowed
    assert distance.allows(other, one) is allowed


def test_what_a_fallback_wants() -> None:
    """A capacity whatever there is, at least a capacity, or what there is."""
    assert [FallbackThen(capacity=4).wanted(units) for units in (2, 4, 9)] == [4, 4, 4]
    assert [FallbackThen(keep_if_higher=4).wanted(units) for units in (2, 4, 9)] == [4, 4, 9]
    assert Fallback().then.wanted(7) == 7
