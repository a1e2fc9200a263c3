"""The transports of events, by the scheme a policy's ``queue`` has. One file and one line below make a new one."""

from setpoint.registry import Registry

QUEUES = Registry(
    "setpoint.queues",
    contract=("PERMISSIONS", "url", "open", "receive", "delete", "advice"),
    builtin={"sqs": "setpoint_airflow.hooks.queue:SqsQueue"},
)
