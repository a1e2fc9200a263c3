"""``aws.ec2_spot``: EC2 will take a Spot Instance back, or says that it may.

Both notices are sent on a best-effort basis: the interruption two minutes before
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html), the rebalance
recommendation when the risk is elevated
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from setpoint.events.bridge import Bridged, event_of, is_bridged
from setpoint.events.contract import EventConfig
from setpoint.events.examples import packaged
from setpoint.events.texts import one_line
from setpoint.events.vendor import Loose, Text, read_as
from setpoint.model import Event

KIND = "aws.ec2_spot"
Notice = Literal["interruption", "rebalance"]
InterruptionAction = Literal["terminate", "stop", "hibernate"]

_NOTICES: Mapping[str, Notice] = {
    "EC2 Spot Instance Interruption Warning": "interruption",
    "EC2 Instance Rebalance Recommendation": "rebalance",
}


class Ec2SpotConfig(EventConfig):
    """``kind: aws.ec2_spot``: which notices about Spot Instances."""

    kind: Literal["aws.ec2_spot"]
    notices: tuple[Notice, ...] = Field(
        default=("interruption", "rebalance"), min_length=1, description="an instance is taken back, or may be soon"
    )
    actions: tuple[InterruptionAction, ...] = Field(
        default=("terminate", "stop", "hibernate"),
        min_length=1,
        description="what an interruption does to the instance; a rebalance recommendation does nothing to it",
    )


class _Detail(Loose):
    instance: str = Field(alias="instance-id", min_length=1, max_length=100)
    action: Text = Field(default="", alias="instance-action")


class Ec2Spot:
    """A notice about one Spot Instance. It names no target: EC2 does not say which group the instance is of."""

    Config: ClassVar[type[Ec2SpotConfig]] = Ec2SpotConfig
    looks_like: ClassVar[str] = "EventBridge's aws.ec2 Spot interruption warning or rebalance recommendation"

    @staticmethod
    def examples() -> Mapping[str, Mapping[str, Any]]:
        return packaged(KIND)

    @staticmethod
    def recognises(body: Mapping[str, Any]) -> bool:
        return is_bridged(body, "aws.ec2", _NOTICES)

    @staticmethod
    def parse(body: Mapping[str, Any], *, message_id: str, source: str, received_at: datetime) -> list[Event]:
        envelope = read_as(Bridged[_Detail], body, kind=KIND)
        notice = _NOTICES[envelope.detail_type]
        instance, action = envelope.detail.instance, one_line(envelope.detail.action, 50)
        said = (
            f"will {action or 'interrupt'} it in two minutes" if notice == "interruption" else "may interrupt it soon"
        )
        return [
            event_of(
                envelope,
                kind=KIND,
                received_at=received_at,
                summary=f"Spot Instance {instance}: EC2 {said}",
                payload={"instance": one_line(instance, 100), "notice": notice, "action": action},
            )
        ]

    @staticmethod
    def wanted(event: Event, config: Ec2SpotConfig) -> bool:
        notice = event.payload.get("notice")
        # An interruption whose action we have no word for is still one: better woken than late.
        known = event.payload.get("action") in ("terminate", "stop", "hibernate")
        return notice in config.notices and (
            notice != "interruption" or not known or event.payload.get("action") in config.actions
        )
