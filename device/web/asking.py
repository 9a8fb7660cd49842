"""Carries out the requests of clients, and waits for the answers of those that want one."""

from __future__ import annotations

import queue
import threading
import uuid
from contextlib import suppress
from http import HTTPStatus

from flask import Response, abort, request

from seealoud.device.errors import RequestError
from seealoud.device.events import Answered, Event, PlaceAnswered
from seealoud.device.records import Cause
from seealoud.device.requests import (
    MAX_REQUEST_BYTES,
    Describe,
    Outcome,
    PlaceTeach,
    Request,
    Where,
    parse_request,
)
from seealoud.device.triggers.control_socket import ANSWER_WAIT_S, AwaitedAnswers
from seealoud.device.web.sources import PageSources

_AWAITED = (Describe, Where, PlaceTeach)
# Each holds a thread of the server meanwhile.
_MOST_AWAITING = 2
_JSON = "application/json"


class Asker:
    """A ``device.events.Listener``; its methods are called while a request is answered.

    Args:
        sources: parts of the daemon.
    """

    def __init__(self, sources: PageSources) -> None:
        self._target = sources.target
        self._answers = AwaitedAnswers()
        self._room = threading.BoundedSemaphore(_MOST_AWAITING)
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
        return Response(outcome.model_dump_json(), mimetype=_JSON)

    def outcome_of(self, asked: Request) -> Outcome:
        """Carry out a request, and wait for its answer if it wants one."""
        asked_s = self._target.clock.now_s()
        if isinstance(asked, _AWAITED) and asked.wants_answer:
            return self._awaited(asked, asked_s)
        return self._target.handle(asked, Cause.WEB, asked_s)

    def _awaited(self, asked: Describe | Where | PlaceTeach, asked_s: float) -> Outcome:
        if not self._room.acquire(blocking=False):
            abort(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{_MOST_AWAITING} clients wait for an answer already: try again in some seconds, "
                "or without wants_answer",
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


def _read() -> Request:
    """Return the request in the body."""
    if request.mimetype != _JSON:
        abort(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f'the body is of the type {request.mimetype[:80]!r}: send "Content-Type: {_JSON}"',
        )
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        abort(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the request has {request.content_length} bytes: at most {MAX_REQUEST_BYTES} are "
            "allowed",
        )
    try:
        return parse_request(request.get_data())
    except RequestError as exc:
        abort(HTTPStatus.UNPROCESSABLE_ENTITY, str(exc))
