"""Every mistake at once, each with its place, value and what is allowed."""

from pathlib import Path

import pytest

from setpoint.policy.loader import load_policy
from setpoint.policy.problems import PolicyError, Problem


def problems_of(path: Path) -> dict[str, Problem]:
    """The problems of a file that is refused, by path; each path has one."""
    with pytest.raises(PolicyError) as refused:
        load_policy(path)
    problems = refused.value.problems
    by_path = {problem.path: problem for problem in problems}
    assert len(by_path) == len(problems), f"a path has several problems:\n{refused.value}"
    return by_path


def test_five_mistakes_are_five_problems(write) -> None:
    """A wrong type, a broken rule, a misspelt key, an unknown reference and an unknown name: five, with places."""
    path = write(
        ("max: 20", "max: 1"),
        ("above: 70", "above: hot"),
        ("max_age: 3m", "max_aeg: 3m"),
        ("{metric: cpu, aggregate: p90}", "{metric: cpuu, aggregate: p90}"),
        ("source: aws.cloudwatch", "source: aws.cloudwach"),
    )
    problems = problems_of(path)
    assert set(problems) == {
        "metrics.cpu.source",
        "quality.cpu.max_aeg",
        "scale.signal.metric",
        "scale.out.above",
        "limits.min",
    }
    assert {problem.file for problem in problems.values()} == {path}
    places = {key: (problem.line, problem.column) for key, problem in problems.items()}
    assert places == {
        "metrics.cpu.source": (7, 5),
        "quality.cpu.max_aeg": (14, 9),
        "scale.signal.metric": (17, 12),
        "scale.out.above": (18, 9),
        "limits.min": (21, 3),
    }
    values = {key: problem.value for key, problem in problems.items()}
    assert values == {
        "metrics.cpu.source": '"aws.cloudwach"',
        "quality.cpu.max_aeg": '"3m"',
        "scale.signal.metric": '"cpuu"',
        "scale.out.above": '"hot"',
        "limits.min": "2",
    }
    assert problems["metrics.cpu.source"].suggestion == "aws.cloudwatch"
    assert problems["quality.cpu.max_aeg"].suggestion == "max_age"
    assert "between" in problems["quality.cpu.max_aeg"].allowed
    assert problems["scale.signal.metric"].allowed == "cpu"
    assert problems["scale.out.above"].message == "must be a number"
    assert "at most limits.max (1)" in problems["limits.min"].message


def test_a_problem_reads_as_one_line(write) -> None:
    """File, line and column first, the way terminals and editors make links of."""
    problems = problems_of(write(("min: 2", "min: two")))
    line = str(problems["limits.min"])
    assert line.startswith('web.yaml:21:3 limits.min: "two": must be a whole number')
    assert "\n" not in line


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("version: 1", "version: 2", "version", "not one of the values"),
        ("version: 1\n", "", "version", "required and missing"),
        ("version: 1", "version: '1'", "version", "not one of the values"),
        ("name: web", "name: Web_Tier", "name", "not of the form"),
        ("name: web", "name: 5", "name", "must be text"),
        ("owner: platform", "owner: ''", "owner", "must not be empty"),
        ("owner: platform", "owner: platform\ndry_run: yes", "dry_run", "true or false"),
        ("owner: platform", "owner: platform\ndry_run: 1", "dry_run", "true or false"),
        ("  min: 2", "  min: '2'", "limits.min", "whole number"),
        ("  min: 2", "  min: true", "limits.min", "whole number"),
        ("  min: 2", "  min: 2.5", "limits.min", "whole number"),
        ("  min: 2", "  min: -1", "limits.min", "at least 0"),
        ("  min: 2", "  min: .nan", "limits.min", "finite"),
        ("above: 70", "above: .inf", "scale.out.above", "finite"),
        ("above: 70", "above: 20", "scale.in.below", "lower than out.above"),
        ("for: 3 of 5", "for: 5 of 3", "scale.out.for", "of 3 points"),
        ("for: 3 of 5", "for: 3 of 50", "scale.out.for", "metrics.cpu has 10"),
        ("add: 2", "add: 0", "scale.out.add", "a step is"),
        ("add: 2", "add: 0%", "scale.out.add", "a step is"),
        ("strategy: threshold", "strategy: threshhold", "scale.strategy", "nothing is registered"),
        ("  strategy: threshold\n", "", "scale.strategy", "required and missing"),
        ("window: 10m", "window: 10m30s", "metrics.cpu.window", "whole number of periods"),
        ("period: 60s", "period: 60", "metrics.cpu.period", "a duration is"),
        ("max_age: 3m", "max_age: 30s", "quality.cpu.max_age", "no point can be this young"),
        ("after: 5m", "after: 2m", "feedback.after", "no change could ever be judged"),
        ("between: [0, 100]", "between: [100, 0]", "quality.cpu.between", "in this order"),
        ("between: [0, 100]", "between: [0]", "quality.cpu.between[1]", "required and missing"),
        ("between: [0, 100]", "between: 100", "quality.cpu.between", "must be a list"),
        ("{max: 90}", "{}", "feedback.healthy.cpu", "needs max, min or no_worse_than"),
        ("    cpu: {max: 90}", "    mem: {max: 90}", "feedback.healthy.mem", "not one of the policy's metrics"),
        ("  cpu: {max_age", "  mem: {max_age", "quality.mem", "not one of the policy's metrics"),
        ("names: [web-asg]", "names: web-asg", "targets.names", "list"),
        ("names: [web-asg]", "names: [5]", "targets.names[0]", "must be text"),
        ("scale:", "scale: 5\nscala:", "scale", "section"),
    ],
)
def test_one_mistake_is_one_problem(write, old: str, new: str, path: str, said: str) -> None:
    """The problem is at the place of the mistake, and says what is wrong there."""
    problems = problems_of(write((old, new)))
    if "scala" in new:
        problems.pop("scala")
    assert list(problems) == [path]
    assert said in problems[path].message


def test_misspelt_sections_do_not_hide_what_is_in_them(write) -> None:
    """A mistake inside a section with a misspelt name, or of a misspelt kind, is reported in the same go."""
    path = write(
        ("limits:", "lmits:"), ("min: 2", "mni: 2"), ("max: 20", "max: twenty"), ("strategy: thr", "strategy: tr")
    )
    problems = problems_of(path)
    assert list(problems) == ["scale.strategy", "lmits", "lmits.mni", "lmits.max"]
    assert problems["lmits"].suggestion == "limits"
    assert problems["lmits.mni"].suggestion == "min"


def test_a_wrong_value_does_not_hide_a_broken_rule_beside_it(write) -> None:
    """``min`` above ``max`` is reported although another value of the section is refused."""
    problems = problems_of(write(("min: 2", "min: 50"), ("max: 20", "max: 20\n  max_step: {out: none}")))
    assert list(problems) == ["limits.min", "limits.max_step.out"]


def test_a_rule_is_not_invented_for_a_wrong_value(write) -> None:
    """A rule that may or may not hold once a refused value is right is not reported."""
    problems = problems_of(write(("max_age: 3m", "min_coverage: many, full_coverage: 0.5")))
    assert list(problems) == ["quality.cpu.min_coverage"]


def test_a_key_that_stands_twice_is_a_problem(write) -> None:
    """The second one is refused, and what else is wrong is reported with it."""
    problems = problems_of(write(("  min: 2", "  min: 2\n  min: 3"), ("add: 2", "add: many")))
    assert [(one.path, one.line) for one in problems.values()] == [("scale.out.add", 18), ("limits.min", 22)]


def test_an_unknown_key_is_compared_with_the_keys_of_its_own_section(write) -> None:
    """What is suggested can really stand there."""
    problems = problems_of(write(("remove: 1", "remvoe: 1")))
    (problem,) = problems.values()
    assert (problem.path, problem.suggestion) == ("scale.in.remvoe", "remove")
    assert problem.allowed == "below, for, remove"


@pytest.mark.parametrize("text", ["5", "just words", "[1, 2]", "- a: 1"])
def test_a_file_that_is_no_section_says_so(write, text: str) -> None:
    """The whole file is the wrong value."""
    (problem,) = problems_of(write(text=text)).values()
    assert "section" in problem.message


def test_text_from_the_file_stays_on_its_line(write) -> None:
    """Control characters and long values cannot break a line or a terminal."""
    problems = problems_of(write(("aggregate: p90", 'aggregate: "\\e[31m\\n' + "x" * 500 + '"')))
    line = str(problems["scale.signal.aggregate"])
    assert line.isprintable()
    assert len(line) < 400


def test_a_strategy_with_a_window_that_is_long_enough_is_left_alone(write) -> None:
    """The negative control: as many points as the window has are allowed."""
    assert load_policy(write(("for: 3 of 5", "for: 10 of 10"))).policy.name == "web"


def test_capacity_for_other_dags_data_stays_within_the_limits(write) -> None:
    """What the guards would cut is a mistake of the policy, and said before it matters."""
    triggers = "triggers: {assets: [{name: orders, at_least: 5}, {name: clicks, at_least: 50}]}\nlimits:"
    problems = problems_of(write(("limits:", triggers)))
    assert list(problems) == ["triggers.assets[1].at_least"]
    assert "limits.max (20)" in problems["triggers.assets[1].at_least"].message
