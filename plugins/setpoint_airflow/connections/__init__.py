"""Connection types: what turns an Airflow connection into the client a source is built with.

One file and one line below make a new one; other distributions register theirs under ``setpoint.connections``.
"""

from setpoint.registry import Registry

CONNECTIONS = Registry(
    "setpoint.connections",
    contract=("client",),
    builtin={
        "aws": "setpoint_airflow.connections.aws:AwsConnection",
        "sql": "setpoint_airflow.connections.sql:SqlConnection",
        "http": "setpoint_airflow.connections.http:HttpConnection",
        "storage": "setpoint_airflow.connections.storage:StorageConnection",
    },
)
