"""What the HTTP API can do: the table from which its routes and its OpenAPI document are made."""

from __future__ import annotations

from seealoud.device.history.entries import Kind
from seealoud.device.mqtt.payloads import DescribedPart
from seealoud.device.requests import Outcome, Request
from seealoud.device.web.messages import (
    FeedbackKept,
    HistoryEntry,
    PlaceEntry,
    ReportKept,
    StateAnswer,
    SummaryAnswer,
)
from seealoud.device.web.openapi import JSON, Operation, Parameter
from seealoud.device.web.reports import NewReport

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
        "describe",
        "post",
        "/api/describe",
        "Describe a picture of yours: as `seealoud describe --json`; not spoken, not kept.",
        DescribedPart,
        body_content="image/*",
        errors=(413, 415, 422, 503),
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
    Operation(
        "report",
        "post",
        "/api/feedback",
        "Report a sentence that was wrong, for a later training; to send it is the consent.",
        ReportKept,
        body=NewReport,
        body_content=JSON,
        errors=(409, 413, 415, 422, 503),
    ),
    Operation("reports", "get", "/api/feedback", "How much is kept of reports.", FeedbackKept),
    Operation(
        "erase",
        "delete",
        "/api/feedback",
        "Erase all reports; the answer says how much that was.",
        FeedbackKept,
        errors=(503,),
    ),
    Operation(
        "export",
        "get",
        "/api/feedback/export",
        "All reports as a ZIP archive, which training reads.",
        content="application/zip",
        errors=(503,),
    ),
)
