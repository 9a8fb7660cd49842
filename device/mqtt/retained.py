"""What the broker keeps of the device: its description, state, diagnostics, last caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from device.clock import Clock
from device.mqtt import topics as t
from device.mqtt.daemon_settings import MqttSettings
from device.mqtt.discovery import discovery_message
from device.mqtt.identity import Identity
from device.mqtt.messages import Counts, Value, diagnostics_message, state_message
from device.mqtt.paho_client import Outgoing
from device.mqtt.payloads import CaptionMessage
from device.mqtt.retained_message import RetainedMessage
from device.mqtt.session import outgoing


class RetainedTopics:
    """Used by one thread, but for ``narration_reason``.

    Args:
        settings: what is published.
        identity: whose.
        state_of: returns the daemon's state.
        counts: returns what the sender counts.
        clock: the time.

    Attributes:
        state: the bulletin of what can be changed.
        diagnostics: the bulletin of how the device is.
        all: every bulletin, in the order in which they are told.
        narration_reason: why narration spoke last, or did not.
    """

    def __init__(
        self,
        settings: MqttSettings,
        identity: Identity,
        state_of: Callable[[], Mapping[str, Value]],
        counts: Callable[[], Counts],
        clock: Clock,
    ) -> None:
        self._settings, self._identity = settings, identity
        self._state_of, self._counts, self._clock = state_of, counts, clock
        self._message: CaptionMessage | None = None
        self._caption = RetainedMessage(self._write_caption)
        self.state = RetainedMessage(self._write_state)
        self.diagnostics = RetainedMessage(self._write_diagnostics)
        self.all = (
            RetainedMessage(self._write_discovery),
            self.state,
            self.diagnostics,
            self._caption,
        )
        self.narration_reason = ""

    def take_caption(self, message: CaptionMessage) -> None:
        """Have the newest caption told."""
        self._message = message
        self._caption.renew()

    def _write_discovery(self) -> Outgoing | None:
        settings = self._settings
        if not settings.is_discovery_on:
            return None
        topic = t.discovery_topic(settings.discovery_prefix, self._identity.id)
        payload = discovery_message(self._identity, has_picture=settings.is_picture_on)
        return Outgoing(topic, payload, qos=1, is_retained=True)

    def _write_state(self) -> Outgoing:
        message = state_message(self._state_of(), self._identity.voices, self._clock.utc())
        return outgoing(t.STATE, self._identity.id, message.model_dump_json())

    def _write_diagnostics(self) -> Outgoing:
        message = diagnostics_message(
            self._state_of(), self._counts(), self.narration_reason, self._clock.utc()
        )
        return outgoing(t.DIAGNOSTICS, self._identity.id, message.model_dump_json())

    def _write_caption(self) -> Outgoing | None:
        if self._message is None:
            return None
        return outgoing(t.LAST_CAPTION, self._identity.id, self._message.to_json())
