"""What the HTTP API can do, from which its routes and its OpenAPI document are made. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from seealoud.device import __version__
from seealoud.device.history.entries import Kind
from seealoud.device.mqtt.payloads import DescribedPart
from seealoud.device.requests import Outcome, Request
from seealoud.device.web.messages import (
    FeedbackKept,
    HistoryEntry,
    NewReport,
    PlaceEntry,
    ReportKept,
    StateAnswer,
    SummaryAnswer,
)

_REFERENCE = "#/components/schemas/{model}"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the query of an address.

    Attributes:
        name: as in ``?limit=50``.
        schema: JSON Schema of its value.
        description: what it does.
    """

    name: str
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What one address does with one method.

    Attributes:
        name: of the method of ``Api`` that carries it out.
        method: in lower case, as in "get".
        path: as in "/api/state".
        summary: what it does, in one sentence.
        answer: type of the JSON that it returns; None for other contents.
        content: media type of the answer.
        body: type of the JSON that it takes; None for none or other contents.
        body_content: media type of the body; empty without one.
        parameters: those of the query.
        errors: the statuses with which it may refuse, besides 400, 401, 403, 429 and 500.
    """

    name: str
    method: str
    path: str
    summary: str
    answer: Any = None
    content: str = JSON
    body: Any = None
    body_content: str = ""
    parameters: Sequence[Parameter] = ()
    errors: Sequence[int] = ()


MOST_ENTRIES = 200
ENTRIES = 50
MOST_MINUTES = 7 * 24 * 60
MINUTES = 60
WIDTHS = (16, 1920)
MOST_SEARCH_CHARS = 200
OPERATIONS = (
    Operation("described", "get", "/api", "This document."),
    Operation("state", "get", "/api/state", "What the device does, and its health.", StateAnswer),
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
        "Describe a picture that you send, as `seealoud describe --json`; it is not kept.",
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
                "At most this many pixels wide.",
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
                "At most this many entries.",
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
        "Report a sentence that was wrong, for later training; sending it is the consent.",
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

_ALWAYS = (400, 401, 403, 429, 500)
_MEANING = {
    400: "The request cannot be read.",
    401: "The token is missing or wrong.",
    403: "The request comes from another web site, or names another host.",
    404: "There is nothing of that kind.",
    409: "Refused in the present state of the device.",
    413: "The body is too large.",
    415: "The body has a wrong type.",
    422: "A value is not allowed.",
    429: "Too many requests.",
    503: "It cannot be read now.",
    500: "An error in SeeAloud.",
}


def document(operations: Sequence[Operation], error: Any) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: all of them.
        error: type of the JSON of every refusal.
    """
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    refused = {JSON: {"schema": _schema(error, schemas)}}
    for one in operations:
        paths.setdefault(one.path, {})[one.method] = _described(one, refused, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SeeAloud",
            "version": __version__,
            "description": "What a camera sees, in words, on the device itself.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _described(one: Operation, refused: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    answer = {"schema": _schema(one.answer, schemas)} if one.answer is not None else {}
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "responses": {
            "200": {"description": "Done.", "content": {one.content: answer}},
            **{
                str(status): {"description": _MEANING[status], "content": refused}
                for status in sorted({*_ALWAYS, *one.errors})
            },
        },
    }
    if one.parameters:
        found["parameters"] = [
            {
                "name": each.name,
                "in": "query",
                "required": False,
                "schema": dict(each.schema),
                "description": each.description,
            }
            for each in one.parameters
        ]
    if one.body_content:
        body = {"schema": _schema(one.body, schemas, "validation")} if one.body is not None else {}
        found["requestBody"] = {"required": True, "content": {one.body_content: body}}
    return found


def _schema(
    kind: Any,
    schemas: dict[str, Any],
    mode: Literal["serialization", "validation"] = "serialization",
) -> dict[str, Any]:
    """Return the JSON Schema of a type; those that it refers to are added to ``schemas``."""
    schema = TypeAdapter(kind).json_schema(ref_template=_REFERENCE, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    if (title := schema.get("title")) and schema.get("type") == "object":
        schemas[title] = schema
        return {"$ref": _REFERENCE.format(model=title)}
    return schema
