"""The HTTP API: what programs and the pages' script ask the daemon. It is described at ``/api``."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from typing import Any, BinaryIO

from flask import Blueprint, Response, abort, request
from pydantic import TypeAdapter, ValidationError

from seealoud.device.errors import HistoryError, OutputError, RequestError
from seealoud.device.history.entries import Kind
from seealoud.device.history.reading import Selection
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.requests import refusal_of
from seealoud.device.web.access import Guard
from seealoud.device.web.asking import Asker, json_body, present_call
from seealoud.device.web.event_stream import EventStream
from seealoud.device.web.messages import (
    ErrorAnswer,
    FeedbackKept,
    HistoryEntry,
    NewReport,
    PlaceEntry,
    ReportKept,
    StateAnswer,
    SummaryAnswer,
)
from seealoud.device.web.openapi import (
    ENTRIES,
    JSON,
    MINUTES,
    MOST_ENTRIES,
    MOST_MINUTES,
    MOST_SEARCH_CHARS,
    OPERATIONS,
    WIDTHS,
    document,
)
from seealoud.device.web.sources import NO_HISTORY, NO_PICTURE, PageSources

_ALL_WELL = "All is well."
_ZIP = "application/zip"
_MOST_BYTES = 4096
_CHUNK_BYTES = 2**16


class Api:
    """The operations of ``OPERATIONS``, by their names; called while a request is answered.

    Args:
        sources: parts of the daemon.
        guard: ends a stream whose reader's token is no longer valid.
        stream: what happens, live.
        asker: carries out requests.
    """

    def __init__(
        self, sources: PageSources, guard: Guard, stream: EventStream, asker: Asker
    ) -> None:
        self._sources = sources
        self._guard = guard
        self._stream = stream
        reports = Reports(sources)
        self._views: dict[str, Callable[[], Response]] = {
            "described": self.described,
            "state": self.state,
            "ask": asker.carry_out,
            "describe": asker.describe,
            "picture": self.picture,
            "history": self.history,
            "summary": self.summary,
            "events": self.events,
            "places": self.places,
            "report": reports.add,
            "reports": reports.size,
            "export": reports.export,
            "erase": reports.erase,
        }

    def routes(self) -> Blueprint:
        """Return a route for each operation."""
        routes = Blueprint("api", __name__)
        for one in OPERATIONS:
            methods = [one.method.upper()]
            routes.add_url_rule(one.path, one.name, self._views[one.name], methods=methods)
        return routes

    def described(self) -> Response:
        """Return the OpenAPI document."""
        return _json(json.dumps(document(OPERATIONS, ErrorAnswer)))

    def state(self) -> Response:
        """Return what the device does and how it is."""
        problems = list(self._sources.problems_of())
        answer = StateAnswer(
            state=dict(self._sources.state_of()),
            health=problems or [_ALL_WELL],
            is_all_well=not problems,
        )
        return _json(answer.model_dump_json())

    def picture(self) -> Response:
        """Return the newest picture."""
        width = _number("width", None, *WIDTHS)
        frame = self._sources.frame_of()
        if frame is None:
            abort(HTTPStatus.NOT_FOUND, f"{NO_PICTURE}; GET /api/state says which")
        data = encode_jpeg(frame.image_hwc, None if width is None else int(width))
        return Response(data, mimetype="image/jpeg")

    def history(self) -> Response:
        """Return entries of the history, the newest first."""
        return _json(_dumped(list[HistoryEntry], _entries(self._sources)))

    def summary(self) -> Response:
        """Return what happened in the last minutes."""
        if self._sources.summary_of is None:
            abort(HTTPStatus.NOT_FOUND, NO_HISTORY)
        minutes = _number("minutes", None, 0.01, float(MOST_MINUTES))
        found = self._sources.summary_of(MINUTES if minutes is None else minutes)
        return _json(SummaryAnswer.of(found).model_dump_json())

    def events(self) -> Response:
        """Return what happens from now on, as long as the client listens."""
        has_left = request.environ.get("waitress.client_disconnected", lambda: False)
        call = present_call()

        def is_gone() -> bool:
            return has_left() or not self._guard.is_signed_in(call)

        response = Response(self._stream.read(is_gone), mimetype="text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def places(self) -> Response:
        """Return the places that were taught."""
        found = self._sources.places_of().items()
        return _json(_dumped(list[PlaceEntry], [PlaceEntry(name=x, pictures=y) for x, y in found]))


class Reports:
    """The operations on reports of wrong sentences; called while a request is answered.

    Args:
        sources: parts of the daemon.
    """

    def __init__(self, sources: PageSources) -> None:
        self._feedback = sources.feedback
        self._state = sources.state
        self._export_room = threading.Lock()

    def add(self) -> Response:
        """Keep the report in the body."""
        try:
            new = NewReport.model_validate_json(json_body(_MOST_BYTES))
            kept = self._feedback.add(new.text, new.right, is_picture_kept=new.is_picture_kept)
        except ValidationError as exc:
            abort(HTTPStatus.UNPROCESSABLE_ENTITY, refusal_of(exc.errors(include_url=False)[0]))
        except RequestError as exc:
            abort(HTTPStatus.CONFLICT, str(exc))
        except OutputError as exc:
            abort(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))
        answer = ReportKept(id=kept.id, at=kept.at, is_picture_kept=bool(kept.picture))
        return _json(answer.model_dump_json())

    def size(self) -> Response:
        """Return how much is kept."""
        reports, size_bytes = self._feedback.size()
        return _kept(reports, size_bytes)

    def erase(self) -> Response:
        """Erase everything, and return how much that was."""
        try:
            reports, size_bytes = self._feedback.erase()
        except OutputError as exc:
            abort(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))
        return _kept(reports, size_bytes)

    def export(self) -> Response:
        """Return everything as a ZIP archive, which training reads."""
        if not self._export_room.acquire(blocking=False):
            abort(
                HTTPStatus.TOO_MANY_REQUESTS,
                "the reports are already being exported: try again later",
            )
        try:
            # It has no name, and takes no memory; only one is made at a time.
            file = tempfile.TemporaryFile(dir=self._state)  # noqa: SIM115 - the answer closes it
            self._feedback.export_zip(file)
        except BaseException as exc:
            self._export_room.release()
            if isinstance(exc, OSError | OutputError):
                abort(HTTPStatus.SERVICE_UNAVAILABLE, f"the reports cannot be exported: {exc}")
            raise
        size_bytes = file.tell()
        file.seek(0)
        response = Response(self._chunks(file), mimetype=_ZIP)
        response.call_on_close(self._export_room.release)
        response.headers["Content-Length"] = str(size_bytes)
        response.headers["Content-Disposition"] = 'attachment; filename="seealoud-feedback.zip"'
        return response

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        with closing(file):
            yield from iter(lambda: file.read(_CHUNK_BYTES), b"")


def _kept(reports: int, size_bytes: int) -> Response:
    answer = FeedbackKept.model_validate({"entries": reports, "bytes": size_bytes})
    return _json(answer.model_dump_json(by_alias=True))


def _entries(sources: PageSources) -> Iterable[HistoryEntry]:
    """Return the entries that the query selects, the newest first."""
    if sources.history is None:
        abort(HTTPStatus.NOT_FOUND, NO_HISTORY)
    limit = _number("limit", ENTRIES, 1, MOST_ENTRIES)
    search = request.args.get("search", "")
    if len(search) > MOST_SEARCH_CHARS:
        abort(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"search has {len(search)} characters: at most {MOST_SEARCH_CHARS} are allowed",
        )
    selection = Selection(
        until=_moment("before"), search=search, limit=int(limit or ENTRIES), kind=_kind()
    )
    try:
        found = [entry.to_json() for entry in sources.entries(selection)]
    except HistoryError as exc:
        abort(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))
    return TypeAdapter(list[HistoryEntry]).validate_python(found)


def _kind() -> Kind | None:
    text = request.args.get("kind", "")
    try:
        return Kind(text) if text else None
    except ValueError:
        allowed = ", ".join(kind.value for kind in Kind)
        abort(HTTPStatus.UNPROCESSABLE_ENTITY, f"kind {text[:40]!r}: give one of {allowed}")


def _moment(name: str) -> datetime | None:
    text = request.args.get(name, "")
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        found = None
    if text and (found is None or found.tzinfo is None):
        abort(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name} {text[:40]!r}: give a time with its zone, as in 2026-11-28T10:00:00Z",
        )
    return found


def _number(name: str, default: float | None, low: float, high: float) -> float | None:
    """Return a number of the query; ``low`` and ``high`` are allowed."""
    text = request.args.get(name, "")
    if not text:
        return default
    is_whole = isinstance(low, int)
    try:
        found = int(text) if is_whole else float(text)
    except ValueError:
        found = high + 1
    if not low <= found <= high:
        kind = "a whole number" if is_whole else "a number"
        abort(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name} {text[:40]!r}: give {kind} from {low:g} to {high:g}",
        )
    return found


def _dumped(kind: Any, values: Iterable[Any]) -> bytes:
    return TypeAdapter(kind).dump_json([*values], by_alias=True)


def _json(data: str | bytes) -> Response:
    return Response(data, mimetype=JSON)
