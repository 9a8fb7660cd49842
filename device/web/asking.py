"""Carries out the requests of clients and describes their pictures, and waits for the answers."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus

from flask import Response, abort, request

from seealoud.device.errors import PictureError, RequestError
from seealoud.device.events import Answered, Event, PlaceAnswered
from seealoud.device.mqtt.payloads import DescribedPart
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.pictures.questions import (
    LARGEST_FILE_BYTES,
    PictureAnswered,
    PictureQuestion,
)
from seealoud.device.records import Cause
from seealoud.device.requests import (
    MAX_REQUEST_BYTES,
    Describe,
    Outcome,
    PlaceTeach,
    Request,
    Set,
    Where,
    parse_request,
)
from seealoud.device.triggers.control_socket import ANSWER_WAIT_S, AwaitedAnswers
from seealoud.device.web.access import Call
from seealoud.device.web.forms import request_of
from seealoud.device.web.openapi import JSON
from seealoud.device.web.sources import NO_PICTURE, PageSources

_AWAITED = (Describe, Where, PlaceTeach)
# Each holds a thread of the server meanwhile.
_MOST_AWAITING = 2
# A Raspberry Pi Zero needs three seconds for one, and others may wait before it.
_PICTURE_WAIT_S = 30.0
_BYTES = "application/octet-stream"


class Asker:
    """A ``device.events.Listener``; ``carry_out`` is called while a request is answered.

    Args:
        sources: parts of the daemon.
    """

    def __init__(self, sources: PageSources) -> None:
        self._target = sources.target
        self._voices_of = sources.voices_of
        self._frame_of = sources.frame_of
        self._answers = AwaitedAnswers()
        self._room = threading.BoundedSemaphore(_MOST_AWAITING)
        self._ask_picture = sources.ask_picture
        self._picture_room = threading.Lock()
        sources.bus.subscribe(self)

    def accept(self, event: Event) -> None:
        """Pass an answer to the client that waits for it."""
        if isinstance(event, Answered | PlaceAnswered) and event.cause is Cause.WEB:
            self._answers.resolve(event.id, event.text)

    def carry_out(self) -> Response:
        """Carry out the request in the body, and return its outcome."""
        outcome = self.outcome_of(_read())
        if not outcome.is_accepted:
            abort(HTTPStatus.CONFLICT, outcome.reason)
        return Response(outcome.model_dump_json(), mimetype=JSON)

    def outcome_of(self, asked: Request) -> Outcome:
        """Carry out a request, and wait for its answer if one is requested."""
        asked_s = self._target.clock.now_s()
        if isinstance(asked, Set) and asked.name == "voice":
            voices, name = self._voices_of(), str(asked.value)
            # Others are refused, because an answer would show which files there are.
            path = name if name in voices.values() else voices.get(name)
            if path is None:
                reason = f"voice {name[:80]!r} is not known; there are: {', '.join(voices)}"
                return Outcome(is_accepted=False, reason=reason, id=asked.id)
            asked = asked.model_copy(update={"value": path})
        if isinstance(asked, _AWAITED) and asked.wants_answer:
            return self._awaited(asked, asked_s)
        return self._target.handle(asked, Cause.WEB, asked_s)

    def describe(self) -> Response:
        """Describe the picture in the body, and return what is said of it."""
        if not request.mimetype.startswith("image/") and request.mimetype != _BYTES:
            abort(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"the body is of the type {request.mimetype[:80]!r}: send a picture with "
                '"Content-Type: image/jpeg", or another kind of picture',
            )
        _check_length(LARGEST_FILE_BYTES, "the picture")
        try:
            answered = self.described(request.get_data(), _PICTURE_WAIT_S, uuid.uuid4().hex)
        except RequestError as exc:
            abort(HTTPStatus.TOO_MANY_REQUESTS, str(exc))
        except PictureError as exc:
            abort(HTTPStatus.UNPROCESSABLE_ENTITY, str(exc))
        except TimeoutError:
            abort(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the picture was not described within {_PICTURE_WAIT_S:g} s: try again later",
            )
        found = answered.description
        if found.caption is None:
            is_ours = found.reason == "failed"
            abort(
                HTTPStatus.INTERNAL_SERVER_ERROR if is_ours else HTTPStatus.UNPROCESSABLE_ENTITY,
                found.text,
            )
        return Response(DescribedPart.of(found).json_text(), mimetype=JSON)

    def described(self, data: bytes, wait_s: float, request_id: str = "") -> PictureAnswered:
        """Wait for the description of a picture, for one client at a time: each holds a thread.

        Raises:
            RequestError: another client waits, or too many pictures do.
            PictureError: it cannot be a picture.
            TimeoutError: it was not described within so many seconds.
        """
        if not self._picture_room.acquire(blocking=False):
            raise RequestError("another picture is being described: try again in a few seconds")
        answer: queue.SimpleQueue[PictureAnswered] = queue.SimpleQueue()
        try:
            self._ask_picture(PictureQuestion(data, Cause.WEB, request_id, reply=answer.put))
            return answer.get(timeout=wait_s)
        except queue.Empty:
            raise TimeoutError from None
        finally:
            self._picture_room.release()

    def describe_newest(self) -> str:
        """Return what is seen now, without a sound.

        Raises:
            RequestError: there is no picture, too many wait, or the answer takes too long.
        """
        frame = self._frame_of()
        if frame is None:
            raise RequestError(NO_PICTURE)
        data = encode_jpeg(frame.image_hwc)
        try:
            return self.described(data, ANSWER_WAIT_S).description.text
        except TimeoutError:
            raise RequestError(
                f"the device has not answered within {ANSWER_WAIT_S:g} s: try again"
            ) from None

    def answer_form(self, form: Mapping[str, str], *, wants_answer: bool = False) -> Outcome:
        """Return the outcome of the request of a form; a wrong form is refused with the reason."""
        try:
            wanted = request_of(form, self._voices_of(), wants_answer=wants_answer)
        except RequestError as exc:
            return Outcome(is_accepted=False, reason=str(exc))
        return self.outcome_of(wanted)

    def _awaited(self, asked: Describe | Where | PlaceTeach, asked_s: float) -> Outcome:
        if not self._room.acquire(blocking=False):
            abort(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{_MOST_AWAITING} clients are already waiting for an answer: try again in a few "
                "seconds, or without wants_answer",
            )
        try:
            # Its answer is found by its id, so it needs one that no other client has.
            named = asked.model_copy(update={"id": asked.id or uuid.uuid4().hex})
            with self._answers.awaited(named.id) as answer:
                outcome = self._target.handle(named, Cause.WEB, asked_s)
                if outcome.is_accepted:
                    with suppress(queue.Empty):  # then it is accepted, and has no answer
                        text = answer.get(timeout=ANSWER_WAIT_S)
                        return outcome.model_copy(update={"answer": text})
            return outcome
        finally:
            self._room.release()


def present_call() -> Call:
    """Return what the guard checks of the request that is being answered."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.path, request.remote_addr or "", headers)


def json_body(most_bytes: int) -> bytes:
    """Return the body of a request that must be JSON, and at most so long."""
    if request.mimetype != JSON:
        abort(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the body is of the type {request.mimetype[:80]!r}: send "Content-Type: {JSON}"',
        )
    _check_length(most_bytes, "the request")
    return request.get_data()


def _check_length(most_bytes: int, name: str) -> None:
    if (request.content_length or 0) > most_bytes:
        abort(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{name} has {request.content_length} bytes: at most {most_bytes} are allowed",
        )


def _read() -> Request:
    """Return the request in the body."""
    try:
        return parse_request(json_body(MAX_REQUEST_BYTES))
    except RequestError as exc:
        abort(HTTPStatus.UNPROCESSABLE_ENTITY, str(exc))
