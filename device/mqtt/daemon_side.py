"""What MQTT uses of the daemon, so that it needs to know none of the daemon's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seealoud.device.clock import Clock
from seealoud.device.events import EventBus
from seealoud.device.mqtt.payloads import Value
from seealoud.device.pictures.questions import PictureQueue
from seealoud.device.requests import HandleRequest


@dataclass(frozen=True, slots=True)
class DaemonSide:
    """What MQTT uses of the daemon.

    Attributes:
        handle: carries commands out.
        bus: carries the reports of a broker that is away.
        state_of: returns the daemon's state, as the command ``status`` does.
        clock: the time.
        picture_of: returns the newest picture as JPEG, None where there is none; only called where
            pictures are switched on.
        desired_file: where it is kept which desired settings were applied last; None for nowhere.
        pictures: takes pictures that clients send.
    """

    handle: HandleRequest
    bus: EventBus
    state_of: Callable[[], Mapping[str, Value]]
    clock: Clock
    picture_of: Callable[[], bytes | None] = lambda: None
    desired_file: Path | None = None
    pictures: PictureQueue = field(default_factory=PictureQueue)
