"""Event kinds: what wakes a policy. One file and one line below make a new one."""

from setpoint.registry import Registry

EVENTS = Registry(
    "setpoint.events",
    contract=("Config", "looks_like", "recognises", "parse", "wanted"),
    builtin={
        "cloudwatch.alarm": "setpoint.events.cloudwatch_alarm:CloudWatchAlarm",
        "eventbridge": "setpoint.events.eventbridge:EventBridgeEvent",
        "json": "setpoint.events.plain_json:PlainJson",
    },
)
