"""Pictures that come over MQTT to be described: as they are, or as Base64 in JSON.

Home Assistant can only publish text, hence the second form. Whoever sends a picture may name it, in
JSON or in a level below the topic, so that the name works in MQTT 3.1.1 as well. Invariant: each
picture that is not dropped in a flood leads to one result and to one ``PictureAnswered`` with its
name, also if it is refused.
"""

from __future__ import annotations

import binascii
import logging
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seealoud.device.client_limits import TokenBucket
from seealoud.device.clock import Clock
from seealoud.device.errors import PictureError, RequestError
from seealoud.device.events import Event
from seealoud.device.mqtt import topics as t
from seealoud.device.mqtt.commands import MAX_ID_CHARS, ResultMessage
from seealoud.device.mqtt.inbox import MAX_LARGE_BYTES, ReceivedMessage, is_large
from seealoud.device.pictures.questions import PictureAnswered, PictureQuestion
from seealoud.device.records import Cause, Description
from seealoud.device.requests import refusal_of

_LOGGER = logging.getLogger(__name__)
_ACTION = "describe_picture"
_REFUSED = "refused"
_JSON_BEGINS = b"{"
_BURST = 10.0


class PictureCommand(BaseModel):
    """A picture as text, for programs that cannot publish bytes, such as Home Assistant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        default="",
        max_length=MAX_ID_CHARS,
        description="Chosen by the sender; repeated in the answer.",
    )
    picture: str = Field(
        min_length=1,
        description="The file of a picture (JPEG, PNG, WebP, BMP, TIFF) in Base64.",
        json_schema_extra={"contentEncoding": "base64"},
    )


class PictureCommands:
    """Has pictures described, and answers for each; used by one thread.

    Args:
        device_id: names the topic.
        ask: takes a question; raises PictureError or RequestError to refuse it.
        publish: is given the answers for pictures that are refused.
        clock: the time.
        per_min: pictures taken in a minute; a few more at once.
    """

    def __init__(
        self,
        device_id: str,
        ask: Callable[[PictureQuestion], None],
        publish: Callable[[Event], None],
        clock: Clock,
        per_min: float,
    ) -> None:
        self._topic = t.DESCRIBE_PICTURE.of(device_id)
        self._ask = ask
        self._publish = publish
        self._clock = clock
        self._per_min = per_min
        self._bucket = TokenBucket(per_min, _BURST)
        self._is_flooded = False

    def is_picture(self, topic: str) -> bool:
        """Return whether messages on a topic are pictures; from any thread."""
        return is_large(topic.encode(), self._topic.encode())

    def handle(self, received: ReceivedMessage) -> ResultMessage | None:
        """Have a picture described, or refuse it; return the answer, None for one of a flood."""
        if not self._bucket.take(self._clock.now_s()):
            if self._is_flooded:
                return None
            self._is_flooded = True
            reason = f"too many pictures: at most {self._per_min:g} a minute are taken"
            return self._refused(received.topic, self._id_in_topic(received), reason)
        self._is_flooded = False
        own_id = self._id_in_topic(received)
        try:
            self._check(received)
            data = received.payload
            if data.startswith(_JSON_BEGINS):
                command = _from_json(data)
                own_id = command.id or own_id
                data = _decoded(command.picture)
            self._ask(PictureQuestion(data, Cause.MQTT, own_id))
        except (PictureError, RequestError) as exc:
            return self._refused(received.topic, own_id, str(exc))
        except Exception as exc:
            _LOGGER.debug("a picture could not be read", exc_info=True)
            reason = f"internal error: {type(exc).__name__}: {exc}"
            return self._refused(received.topic, own_id, reason)
        return self._result(received.topic, own_id)

    def _id_in_topic(self, received: ReceivedMessage) -> str:
        own_id = received.topic[len(self._topic) + 1 :]
        return own_id if len(own_id) <= MAX_ID_CHARS else ""

    def _check(self, received: ReceivedMessage) -> None:
        """Return if a message can be taken, whatever it holds.

        Raises:
            RequestError: it was published in a way in which it cannot be taken.
        """
        if received.is_retained:
            raise RequestError(
                "a retained picture is from the past and is not described: publish it without the "
                "retain flag, and an empty retained message to remove this one"
            )
        if len(received.topic) > len(self._topic) + 1 + MAX_ID_CHARS:
            raise RequestError(f"the name in the topic is longer than {MAX_ID_CHARS} characters")
        if received.size_bytes > MAX_LARGE_BYTES:
            raise RequestError(
                f"the message is too long: at most {MAX_LARGE_BYTES} bytes are taken; make the "
                "picture smaller, 1280 pixels wide are enough"
            )

    def _refused(self, topic: str, own_id: str, reason: str) -> ResultMessage:
        _LOGGER.info("a picture on %r is refused: %s", topic, reason)
        text = f"The picture is not described: {reason}."
        self._publish(
            PictureAnswered(
                at=self._clock.utc(),
                description=Description(text, reason=_REFUSED),
                cause=Cause.MQTT,
                id=own_id,
            )
        )
        return self._result(topic, own_id, reason)

    def _result(self, topic: str, own_id: str, reason: str = "") -> ResultMessage:
        return ResultMessage(
            at=self._clock.utc(),
            id=own_id,
            topic=topic,
            action=_ACTION,
            is_accepted=not reason,
            reason=reason,
        )


def _from_json(payload: bytes) -> PictureCommand:
    """Return what a JSON message asks for.

    Raises:
        RequestError: it does not fit the schema.
    """
    try:
        return PictureCommand.model_validate_json(payload)
    except ValidationError as exc:
        raise RequestError(refusal_of(exc.errors(include_url=False)[0])) from exc


def _decoded(base64_text: str) -> bytes:
    """Return the bytes of a text in Base64; tools break its lines after 76 characters.

    Raises:
        PictureError: it is not Base64.
    """
    try:
        return binascii.a2b_base64("".join(base64_text.split()), strict_mode=True)
    except ValueError as exc:
        raise PictureError(f"picture is not Base64 ({exc}): encode the whole file") from exc
