"""The HTTP API: what programs and the pages' script ask the daemon. It is described at ``/api``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, request
from pydantic import TypeAdapter

from seealoud.device.errors import HistoryError
from seealoud.device.history.entries import Kind
from seealoud.device.history.reading import Selection
from seealoud.device.history.time_parsing import rfc3339
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.records import HistorySummary, Seen
from seealoud.device.web.access import Guard
from seealoud.device.web.asking import Asker, present_call
from seealoud.device.web.event_stream import EventStream
from seealoud.device.web.messages import (
    ErrorAnswer,
    HistoryEntry,
    PlaceEntry,
    SeenOften,
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
from seealoud.device.web.reports import Reports
from seealoud.device.web.sources import NO_HISTORY, PageSources

_ALL_WELL = "All is well."


class Api:
    """The operations of ``OPERATIONS``, by their names; called while a request is answered.

    Args:
        sources: parts of the daemon.
        guard: ends a stream whose reader's token is not valid any more.
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
            abort(
                HTTPStatus.NOT_FOUND,
                "there is no picture now: the camera gives none, or privacy is on; "
                "GET /api/state says which",
            )
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
        return _json(_summary(found).model_dump_json())

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


def _summary(found: HistorySummary) -> SummaryAnswer:
    return SummaryAnswer(
        since=rfc3339(found.since),
        until=rfc3339(found.until),
        text=found.text,
        seen=_often(found.seen),
        things=_often(found.things),
        alerts=_often(found.alerts),
        problems=_often(found.problems),
    )


def _often(groups: Iterable[Seen]) -> list[SeenOften]:
    return [
        SeenOften(
            what=group.what,
            times=group.times,
            first_at=rfc3339(group.first_at),
            last_at=rfc3339(group.last_at),
        )
        for group in groups
    ]


def _dumped(kind: Any, values: Iterable[Any]) -> bytes:
    return TypeAdapter(kind).dump_json([*values], by_alias=True)


def _json(data: str | bytes) -> Response:
    return Response(data, mimetype=JSON)
