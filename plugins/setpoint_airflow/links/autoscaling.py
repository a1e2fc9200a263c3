"""Links to Auto Scaling in the AWS console."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from airflow.providers.amazon.aws.links.base_aws import BASE_AWS_CONSOLE_LINK, BaseAwsLink


class AutoScalingGroupLink(BaseAwsLink):
    """Helper class for constructing an Auto Scaling group's console link."""

    name = "Auto Scaling Group"
    key = "auto_scaling_group"
    format_str = (
        BASE_AWS_CONSOLE_LINK
        + "/ec2/home?region={region_name}#AutoScalingGroupDetails:id={auto_scaling_group_name};view=details"
    )

    def format_link(self, **kwargs: Any) -> str:
        """The link with the group's name escaped; empty for a partition whose console's address is not known."""
        if not kwargs.get("aws_domain") or not kwargs.get("auto_scaling_group_name"):
            return ""
        name = quote(kwargs["auto_scaling_group_name"], safe="")
        return str(super().format_link(**{**kwargs, "auto_scaling_group_name": name}))
