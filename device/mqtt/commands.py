"""Commands over MQTT: each is read as a request, carried out or refused, and answered.

Invariants: a command is carried out whole or not at all, a retained one never; a reason names the
value and what is allowed.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Hashable, Mapping
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from seealoud.device import requests as r
from seealoud.device.client_limits import TokenBucket
from seealoud.device.clock import Clock
from seealoud.device.errors import RequestError
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.payloads import SCHEMA_VERSION, Message, UtcTime
from seealoud.device.records import Cause
from seealoud.device.requests import HandleRequest, Value

_LOGGER = logging.getLogger(__name__)
_SHOWN_CHARS = 80
_BURST = 10.0
_UNKNOWN_TOPIC, _ACCEPTED, _REFUSED = range(3)
# As in device.requests.
MAX_ID_CHARS = 64
_SWITCH = {"ON": True, "OFF": False}


class ResultMessage(Message):
    """What became of a command over MQTT."""

    schema_version: Literal[2] = SCHEMA_VERSION
    at: UtcTime = Field(description="When it was decided, in UTC.")
    id: str = Field(default="", description="The command's own id, or empty.")
    topic: str = Field(description="The topic on which the command came.")
    action: str = Field(default="", description="What was requested; empty if it cannot be read.")
    is_accepted: bool = Field(description="Whether it is carried out.")
    reason: str = Field(default="", description="Why not, and what to do; empty if it is.")
    data: dict[str, Value] = Field(default={}, description="For status: the state.")


class CommandHandler:
    """Passes commands to the controller and answers each; used by one thread.

    Args:
        identity: of the device, with the voices that can be chosen.
        handle: carries commands out.
        clock: the time.
        per_min: commands of each kind taken in a minute; a few more at once.
    """

    def __init__(
        self, identity: Identity, handle: HandleRequest, clock: Clock, per_min: float
    ) -> None:
        self._handle = handle
        self._clock = clock
        self._per_min = per_min
        # Apart for each lane, so that a flood uses up nothing but its own.
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._flooded: set[Hashable] = set()
        self._identity = identity
        own: Mapping[t.Topic, Callable[[str], r.Request]] = {
            t.NARRATION_SET: lambda text: r.Narrate(is_on=_switch(text)),
            t.ALERTS_SET: lambda text: r.AlertSwitch(is_on=_switch(text)),
            t.MUTE_SET: lambda text: r.Mute(is_on=_switch(text)),
            t.PRIVACY_SET: lambda text: r.Privacy(is_on=_switch(text)),
            t.VOLUME_SET: lambda text: r.Set(name="volume", value=_number(text)),
            t.RATE_SET: lambda text: r.Set(name="rate", value=_number(text)),
            t.MINIMUM_GAP_SET: lambda text: r.Set(name="minimum_gap_s", value=_number(text)),
            t.SNOOZE_SET: lambda text: r.Snooze(minutes=_number(text)),
            t.VOICE_SET: lambda text: r.Set(name="voice", value=identity.voice_path(text)),
            t.SAY_SET: lambda text: r.Say(text=clean(text)),
            t.UPDATE_SET: _update,
        }
        self._simple = {topic.of(identity.id): read for topic, read in own.items()}
        # The latter only comes where the device has subscribed to it.
        self._json_topics = (t.COMMAND.of(identity.id), t.SITE_COMMAND.template)

    def handle(self, received: ReceivedMessage) -> ResultMessage | None:
        """Carry out or refuse a command; return the answer, None for one of a flood.

        Of commands that come too fast only the first is answered: the answers would be a flood
        too.
        """
        read = self.read(received)
        if read is None or isinstance(read, ResultMessage):
            return read
        return self.carry_out(read, received.topic)

    def read(self, received: ReceivedMessage) -> r.Request | ResultMessage | None:
        """Return what a command asks for; or its refusal, None for one of a flood."""
        now_s = self._clock.now_s()
        lane = self.lane(received)
        new = TokenBucket(self._per_min, max(_BURST, self._per_min / 60))
        if not self._buckets.setdefault(lane, new).take(now_s):
            is_first = lane not in self._flooded
            self._flooded.add(lane)
            reason = f"too many commands: at most {self._per_min:g} a minute are taken"
            return self._refused(received.topic, reason) if is_first else None
        self._flooded.discard(lane)
        try:
            return self._request(received)
        except RequestError as exc:
            return self._refused(received.topic, str(exc), *self._claims(received))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            return self._refused(received.topic, r.refusal_of(first), *self._claims(received))
        except Exception as exc:
            _LOGGER.debug("a command cannot be read", exc_info=True)
            return self._refused(received.topic, _internal(exc))

    def carry_out(self, request: r.Request, topic: str) -> ResultMessage:
        """Have a request carried out, and return the answer; ``topic`` is where it came from."""
        try:
            outcome = self._handle(request, Cause.MQTT, self._clock.now_s())
        except Exception as exc:
            _LOGGER.debug("a command failed", exc_info=True)
            return self.result(topic, request.action, request.id, _internal(exc))
        return ResultMessage(
            at=self._clock.utc(),
            id=request.id,
            topic=topic,
            action=request.action,
            is_accepted=outcome.is_accepted,
            reason=outcome.reason,
            data=outcome.data,
        )

    def result(self, topic: str, action: str, own_id: str, reason: str) -> ResultMessage:
        """Return the result for something that came on a topic; a reason is why it is refused."""
        if reason:
            _LOGGER.info("a command on %r is refused: %s", topic, reason)
        return ResultMessage(
            at=self._clock.utc(),
            id=own_id,
            topic=topic,
            action=action,
            is_accepted=not reason,
            reason=reason,
        )

    def lane(self, received: ReceivedMessage) -> Hashable:
        """Return the lane of a message, with which it is counted; from any thread, never raises.

        Those of a topic that can be carried out, those that cannot, all commands of unknown topics,
        and other messages by their topics.
        """
        if received.topic not in self._simple and received.topic not in self._json_topics:
            return _UNKNOWN_TOPIC if received.topic.endswith("/set") else received.topic
        try:
            self._request(received)
        except Exception:  # noqa: BLE001 - whatever it is, the answer will say it
            return received.topic, _REFUSED
        return received.topic, _ACCEPTED

    def _request(self, received: ReceivedMessage) -> r.Request:
        """Return what a message asks for.

        Raises:
            RequestError: it cannot be carried out.
            ValidationError: a value is not allowed.
        """
        if received.is_retained:
            raise RequestError(
                "a retained command is from the past and is not carried out: publish it without "
                "the retain flag, and an empty retained message to remove this one"
            )
        if received.size_bytes > r.MAX_REQUEST_BYTES:
            raise RequestError(
                f"a request of {received.size_bytes} bytes: at most {r.MAX_REQUEST_BYTES} are taken"
            )
        if received.topic in self._json_topics:
            request = r.parse_request(received.payload)
            if isinstance(request, r.Say):
                return request.model_copy(update={"text": clean(request.text)})
            if isinstance(request, r.Set) and request.name == "voice":
                path = self._identity.voice_path(str(request.value))
                return request.model_copy(update={"value": path})
            return request
        if (read := self._simple.get(received.topic)) is not None:
            return read(_text(received.payload))
        known = ", ".join(sorted(topic.split("/", 2)[2] for topic in self._simple))
        name = received.topic.split("/", 2)[-1]
        raise RequestError(f"there is no command {_shown(name)}: known are command, {known}")

    def _claims(self, received: ReceivedMessage) -> tuple[str, str]:
        """Return the action and the id that a refused JSON message names, as far as it does."""
        try:
            values = from_json(received.payload) if received.topic in self._json_topics else None
        except ValueError:
            values = None
        if not isinstance(values, dict):
            return "", ""
        return _short(values.get("action")), _short(values.get("id"))

    def _refused(
        self, topic: str, reason: str, action: str = "", own_id: str = ""
    ) -> ResultMessage:
        return self.result(topic, action, own_id, reason)


def _internal(exc: Exception) -> str:
    return f"internal error: {type(exc).__name__}: {exc}"


def clean(text: str) -> str:
    """Return a text in one line, without what cannot be spoken.

    Raises:
        RequestError: nothing is left.
    """
    spaced = "".join(" " if unicodedata.category(x)[0] in "CZ" else x for x in text)
    cleaned = " ".join(spaced.split())
    if not cleaned:
        raise RequestError(f"text: nothing to say (is {_shown(text)})")
    return cleaned


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as exc:
        raise RequestError("the message is not UTF-8 text") from exc


def _switch(text: str) -> bool:
    is_on = _SWITCH.get(text.strip().upper())
    if is_on is None:
        raise RequestError(f"{_shown(text)} is not ON or OFF")
    return is_on


def _update(text: str) -> r.Update:
    if text.strip().lower() != t.INSTALL:
        raise RequestError(f"{_shown(text)} is not {t.INSTALL}")
    return r.Update()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise RequestError(f"{_shown(text)} is not a number") from exc


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARS])


def _short(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_ID_CHARS else ""
