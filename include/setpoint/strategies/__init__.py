"""Strategies: from signals to a proposed capacity. One file and one line below make a new one."""

from setpoint.registry import Registry

STRATEGIES = Registry(
    "setpoint.strategies",
    contract=("Config", "propose"),
    builtin={
        "threshold": "setpoint.strategies.threshold:ThresholdStrategy",
    },
)
