"""The whole topic tree; ``docs/mqtt.md`` says the same and a test compares them."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "seealoud"
ONLINE = "online"
OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of a device.

    Attributes:
        template: its name, with ``{device_id}`` for the device.
        qos: quality of service with which it is published.
        is_retained: whether the broker keeps the last message for those who come later.
    """

    template: str
    qos: int
    is_retained: bool

    def of(self, device_id: str) -> str:
        """Return the topic's name for one device."""
        return self.template.format(device_id=device_id)


AVAILABILITY = Topic(f"{ROOT}/{{device_id}}/availability", qos=1, is_retained=True)
CAPTION = Topic(f"{ROOT}/{{device_id}}/caption", qos=1, is_retained=False)
ALL_TOPICS = (AVAILABILITY, CAPTION)
