"""The whole topic tree and a message on it; a test compares the tree with ``docs/mqtt.md``."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "seealoud"
# In place of a device's id: every device of a site. No device may have it as its own.
SITE = "all"
_MAX_TOPIC_BYTES = 65535
ONLINE = "online"
OFFLINE = "offline"
_DEVICE = f"{ROOT}/{{device_id}}"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to be published.

    Attributes:
        topic: its full name.
        payload: as it is sent.
        qos: quality of service, 0..2.
        is_retained: whether the broker keeps it for later subscribers.
    """

    topic: str
    payload: bytes
    qos: int
    is_retained: bool


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of a device.

    Attributes:
        template: its name, with ``{device_id}`` for the device.
        qos: quality of service with which it is published, or should be.
        is_retained: whether the broker keeps the last message for later subscribers.
        is_command: whether other clients publish on it and the device subscribes.
    """

    template: str
    qos: int
    is_retained: bool
    is_command: bool = False

    def of(self, device_id: str) -> str:
        """Return the topic's name for one device."""
        return self.template.format(device_id=device_id)

    def message(self, device_id: str, payload: str | bytes) -> OutgoingMessage:
        """Return a message on this topic of one device."""
        data = payload.encode() if isinstance(payload, str) else payload
        return OutgoingMessage(self.of(device_id), data, self.qos, self.is_retained)


def _command(name: str) -> Topic:
    return Topic(f"{_DEVICE}/{name}", qos=1, is_retained=False, is_command=True)


AVAILABILITY = Topic(f"{_DEVICE}/availability", qos=1, is_retained=True)
STATE = Topic(f"{_DEVICE}/state", qos=1, is_retained=True)
DIAGNOSTICS = Topic(f"{_DEVICE}/diagnostics", qos=1, is_retained=True)
PLACE = Topic(f"{_DEVICE}/place", qos=1, is_retained=True)
LAST_CAPTION = Topic(f"{_DEVICE}/last_caption", qos=1, is_retained=True)
IN_VIEW = Topic(f"{_DEVICE}/in_view", qos=1, is_retained=True)
CAPTION = Topic(f"{_DEVICE}/caption", qos=1, is_retained=False)
ALERT = Topic(f"{_DEVICE}/alert", qos=1, is_retained=False)
PROBLEM = Topic(f"{_DEVICE}/problem", qos=1, is_retained=False)
SUMMARY = Topic(f"{_DEVICE}/summary", qos=1, is_retained=False)
REQUEST = Topic(f"{_DEVICE}/request", qos=1, is_retained=False)
RESULT = Topic(f"{_DEVICE}/result", qos=1, is_retained=False)
UPDATE = Topic(f"{_DEVICE}/update", qos=1, is_retained=True)
DESCRIBE_ANSWER = Topic(f"{_DEVICE}/describe/answer", qos=1, is_retained=False)
PICTURE = Topic(f"{_DEVICE}/picture", qos=0, is_retained=False)

COMMAND = _command("command")
NARRATION_SET = _command("narration/set")
ALERTS_SET = _command("alerts/set")
MUTE_SET = _command("mute/set")
PRIVACY_SET = _command("privacy/set")
VOLUME_SET = _command("volume/set")
RATE_SET = _command("rate/set")
MINIMUM_GAP_SET = _command("minimum_gap_s/set")
SNOOZE_SET = _command("snooze_min/set")
VOICE_SET = _command("voice/set")
SAY_SET = _command("say/set")
UPDATE_SET = _command("update/set")
INSTALL = "install"
DESIRED = Topic(f"{_DEVICE}/desired", qos=1, is_retained=True, is_command=True)
SITE_COMMAND = Topic(f"{ROOT}/{SITE}/command", qos=1, is_retained=False, is_command=True)
SITE_DESIRED = Topic(f"{ROOT}/{SITE}/desired", qos=1, is_retained=True, is_command=True)
# A level below it may name the picture.
DESCRIBE_PICTURE = _command("describe/picture")

PUBLISHED = (
    *(AVAILABILITY, STATE, DIAGNOSTICS, LAST_CAPTION, IN_VIEW, PLACE, UPDATE),
    *(CAPTION, ALERT, PROBLEM, SUMMARY, REQUEST, RESULT, DESCRIBE_ANSWER, PICTURE),
)
COMMANDS = (
    *(COMMAND, NARRATION_SET, ALERTS_SET, MUTE_SET, PRIVACY_SET, VOLUME_SET, RATE_SET),
    *(MINIMUM_GAP_SET, SNOOZE_SET, VOICE_SET, SAY_SET, UPDATE_SET, DESCRIBE_PICTURE),
    *(DESIRED, SITE_COMMAND, SITE_DESIRED),
)
ALL_TOPICS = (*PUBLISHED, *COMMANDS)


def check_published_topic(name: str) -> str:
    """Return a topic on which a message may be published.

    Raises:
        ValueError: the protocol or the broker would refuse it.
    """
    if not name or name.startswith("$") or any(char in name for char in "+#\0"):
        raise ValueError(f"topic {name[:80]!r} cannot be published on")
    if len(name.encode()) > _MAX_TOPIC_BYTES:
        raise ValueError(f"topic {name[:80]!r}… is too long")
    return name


def discovery_topic(prefix: str, device_id: str) -> str:
    """Return the topic on which Home Assistant expects the description of the device."""
    return f"{prefix}/device/{device_id}/config"


def birth_topic(prefix: str) -> str:
    """Return the topic on which Home Assistant announces that it has started."""
    return f"{prefix}/status"


def subscriptions(device_id: str, *, is_site_wide: bool = False) -> tuple[str, ...]:
    """Return the patterns to subscribe to: commands, known or not, and the own availability.

    The last because another client of the same device, such as a single ``describe``, publishes
    "offline" when it ends, although the daemon is still running.

    Args:
        device_id: of the device.
        is_site_wide: whether what is meant for every device of the site is included.
    """
    site = (SITE_COMMAND.template, SITE_DESIRED.template) if is_site_wide else ()
    pictures = f"{DESCRIBE_PICTURE.of(device_id)}/#"  # the level itself as well
    commands = (COMMAND.of(device_id), f"{ROOT}/{device_id}/+/set", pictures, *site)
    return (*commands, DESIRED.of(device_id), AVAILABILITY.of(device_id))


def retained_topics(prefix: str, device_id: str) -> tuple[str, ...]:
    """Return every topic of the device on which the broker keeps a message."""
    own = tuple(topic.of(device_id) for topic in PUBLISHED if topic.is_retained)
    return (discovery_topic(prefix, device_id), *own)
