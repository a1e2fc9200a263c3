"""Metric sources: where the numbers come from. One file and one line below make a new one."""

from setpoint.registry import Registry

SOURCES = Registry(
    "setpoint.sources",
    contract=("Config", "connection_type", "permissions", "when_empty", "fetch"),
    builtin={
        "aws.cloudwatch": "setpoint.sources.cloudwatch:CloudWatchSource",
        "aws.cloudwatch_stream": "setpoint.sources.cloudwatch_stream:CloudWatchStreamSource",
        "http_json": "setpoint.sources.http_json:HttpJsonSource",
        "object": "setpoint.sources.object_storage:ObjectSource",
        "prometheus": "setpoint.sources.prometheus:PrometheusSource",
        "sql": "setpoint.sources.sql:SqlSource",
    },
)
