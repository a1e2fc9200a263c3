"""Policy files to break."""

from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "include" / "policies"

GOOD = """\
version: 1
name: web
owner: platform
targets: {kind: aws.autoscaling_group, names: [web-asg]}
metrics:
  cpu:
    source: aws.cloudwatch
    namespace: AWS/EC2
    name: CPUUtilization
    statistic: Average
    period: 60s
    window: 10m
quality:
  cpu: {max_age: 3m, between: [0, 100]}
scale:
  strategy: threshold
  signal: {metric: cpu, aggregate: p90}
  out: {above: 70, for: 3 of 5, add: 2}
  in: {below: 30, for: 10 of 10, remove: 1}
limits:
  min: 2
  max: 20
feedback:
  after: 5m
  healthy:
    cpu: {max: 90}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a policy file: the good one, with ``old`` replaced by ``new`` for each pair given."""

    def write_policy(*changes: tuple[str, str], name: str = "web.yaml", text: str = GOOD) -> Path:
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the policy"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_policy
