from typing import Literal

from setpoint.targets.contract import TargetConfig


class C(TargetConfig):
    kind: Literal["aws.autoscaling_group"]


class AutoScalingGroupTarget:
    Config = C
    Reader = object
    permissions = read_permissions = ()
    service = "autoscaling"
    unit = "instance"
    find = read = health = apply = settled = None
