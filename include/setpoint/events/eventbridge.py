from typing import Literal

from setpoint.events.contract import EventConfig


class Config_(EventConfig):
    kind: Literal["eventbridge"]


class EventBridgeEvent:
    Config = Config_
    looks_like = recognises = parse = wanted = None
