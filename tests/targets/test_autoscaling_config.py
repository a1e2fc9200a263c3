"""The ``targets`` section of a policy over Auto Scaling groups."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from setpoint.targets.autoscaling_group import AutoScalingGroupConfig

KIND = {"kind": "aws.autoscaling_group"}


def test_by_names() -> None:
    """Names are kept in the policy's order, and are what the policy names itself."""
    config = AutoScalingGroupConfig.model_validate({**KIND, "names": ["web", "api"]})
    assert config.names() == ("web", "api")
    assert (config.connection, config.region) == ("aws_default", None)


def test_by_tags() -> None:
    """With tags the policy names no target itself."""
    config = AutoScalingGroupConfig.model_validate({**KIND, "match": {"tags": {"tier": "web"}}})
    assert config.names() == ()
    assert config.match is not None
    assert config.match.tags == {"tier": "web"}


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "say which groups: names"),
        ({"names": ["web"], "match": {"tags": {"tier": "web"}}}, "keep one"),
        ({"names": "web"}, r"names is a list, also for one group: \[web\]"),
        ({"names": []}, "at least one group"),
        ({"names": ["web", "api", "web"]}, "more than once: web"),
        ({"names": ["a:b"]}, "no colon; not so: 'a:b'"),
        ({"names": [""]}, "1 to 255 characters"),
        ({"match": {"tags": {}}}, "at least 1"),
        ({"match": {"tags": {"stage": True}}}, 'write it in quotes: "true"'),
        ({"match": {"tags": {"version": 1}}}, 'write it in quotes: "1"'),
        ({"match": {"tag": {"tier": "web"}}}, "match.tag\n"),
        ({"names": ["web"], "region": ""}, "region"),
    ],
)
def test_mistakes_are_explained(section: dict[str, Any], words: str) -> None:
    """Every mistake is refused with words that say what to write."""
    with pytest.raises(ValidationError, match=words):
        AutoScalingGroupConfig.model_validate({**KIND, **section})


def test_the_schema_asks_for_exactly_one_selection() -> None:
    """An editor with the JSON schema sees that names and match exclude each other."""
    schema = TypeAdapter(AutoScalingGroupConfig).json_schema()
    assert schema["oneOf"] == [{"required": ["names"]}, {"required": ["match"]}]
    assert {"names", "match"} <= set(schema["properties"])
