"""Event kinds: what wakes a policy. One file and one line below make a new one."""

from setpoint.registry import Registry

EVENTS = Registry(
    "setpoint.events",
    contract=("Config", "looks_like", "examples", "recognises", "parse", "wanted"),
    builtin={
        "aws.autoscaling": "setpoint.events.autoscaling:AutoScalingEvent",
        "aws.budgets": "setpoint.events.budgets:BudgetAlert",
        "aws.ec2_spot": "setpoint.events.ec2_spot:Ec2Spot",
        "aws.ecs": "setpoint.events.ecs:EcsEvent",
        "aws.guardduty": "setpoint.events.guardduty:GuardDutyFinding",
        "aws.health": "setpoint.events.health:HealthEvent",
        "aws.logs": "setpoint.events.logs:LogsEvent",
        "aws.s3_object": "setpoint.events.s3_object:S3Object",
        "azure.monitor": "setpoint.events.azure_monitor:AzureMonitorAlert",
        "cloudevents": "setpoint.events.cloudevents:CloudEvent",
        "cloudwatch.alarm": "setpoint.events.cloudwatch_alarm:CloudWatchAlarm",
        "eventbridge": "setpoint.events.eventbridge:EventBridgeEvent",
        "google.monitoring": "setpoint.events.google_monitoring:GoogleMonitoringIncident",
        "grafana.alert": "setpoint.events.grafana:GrafanaAlert",
        "json": "setpoint.events.plain_json:PlainJson",
        "prometheus.alertmanager": "setpoint.events.alertmanager:AlertmanagerAlert",
    },
)
