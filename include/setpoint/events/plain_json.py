from typing import Literal

from setpoint.events.contract import EventConfig


class Config_(EventConfig):
    kind: Literal["json"]


class PlainJson:
    Config = Config_
    looks_like = recognises = parse = wanted = None
