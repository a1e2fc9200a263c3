"""Targets: what changes. One file and one line below make a new kind."""

from setpoint.registry import Registry

TARGETS = Registry(
    "setpoint.targets",
    contract=(
        "Config",
        "Reader",
        "service",
        "permissions",
        "read_permissions",
        "unit",
        "find",
        "read",
        "health",
        "apply",
        "settled",
    ),
    builtin={
        "aws.autoscaling_group": "setpoint.targets.autoscaling_group:AutoScalingGroupTarget",
    },
)
