"""What the HTTP API can do: the table from which its routes and its OpenAPI document are made."""

from __future__ import annotations

from seealoud.device.history.entries import Kind
from seealoud.device.requests import Outcome, Request
from seealoud.device.web.messages import HistoryEntry, PlaceEntry, StateAnswer, SummaryAnswer
from seealoud.device.web.openapi import JSON, Operation, Parameter

MOST_ENTRIES = 200
ENTRIES = 50
MOST_MINUTES = 7 * 24 * 60
MINUTES = 60
WIDTHS = (16, 1920)
MOST_SEARCH_CHARS = 200
OPERATIONS = (
    Operation("described", "get", "/api", "This document."),
    Operation("state", "get", "/api/state", "What the device does, and how it is.", StateAnswer),
    Operation(
        "ask",
        "post",
        "/api/request",
        "Carry out a request, as `seealoud press` does.",
        Outcome,
        body=Request,
        body_content=JSON,
        errors=(409, 413, 415, 422),
    ),
    Operation(
        "picture",
        "get",
        "/api/picture",
        "The newest picture of the camera.",
        content="image/jpeg",
        parameters=(
            Parameter(
                "width",
                {"type": "integer", "minimum": WIDTHS[0], "maximum": WIDTHS[1]},
                "Make it no wider than so many pixels.",
            ),
        ),
        errors=(404, 422),
    ),
    Operation(
        "history",
        "get",
        "/api/history",
        "What was described, said and reported, the newest first.",
        list[HistoryEntry],
        parameters=(
            Parameter(
                "search",
                {"type": "string", "maxLength": MOST_SEARCH_CHARS},
                "Beginnings of words that must be in the text, the caption or a thing's name.",
            ),
            Parameter("kind", {"enum": [x.value for x in Kind]}, "Only entries of this kind."),
            Parameter(
                "before", {"type": "string", "format": "date-time"}, "Only entries before this."
            ),
            Parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST_ENTRIES, "default": ENTRIES},
                "At most so many.",
            ),
        ),
        errors=(404, 422, 503),
    ),
    Operation(
        "summary",
        "get",
        "/api/summary",
        "What happened in the last minutes; it is not spoken.",
        SummaryAnswer,
        parameters=(
            Parameter(
                "minutes",
                {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": MOST_MINUTES,
                    "default": MINUTES,
                },
                "How far back.",
            ),
        ),
        errors=(404, 422),
    ),
    Operation(
        "events",
        "get",
        "/api/events",
        "What happens, live, as server-sent events: caption, alert, problem, state, place.",
        content="text/event-stream",
    ),
    Operation("places", "get", "/api/places", "The places that were taught.", list[PlaceEntry]),
)
