"""From a batch's points to the numbers a policy names. Pure; pandas and numpy, nothing that touches the world."""

from setpoint.signals.aggregate import aggregate, wanted_pairs, window_aggregates
from setpoint.signals.reduce import aggregate_values

__all__ = ["aggregate", "aggregate_values", "wanted_pairs", "window_aggregates"]
