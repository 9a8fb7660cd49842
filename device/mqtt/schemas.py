"""The JSON Schemas of every payload, as they stand in ``docs/``; a test compares them.

Written by ``python -m seealoud.device.mqtt.schemas docs``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from seealoud.device.mqtt.commands import ResultMessage
from seealoud.device.mqtt.desired_document import DesiredSettings
from seealoud.device.mqtt.messages import (
    AlertMessage,
    ProblemMessage,
    RequestMessage,
    SummaryMessage,
)
from seealoud.device.mqtt.payloads import CaptionMessage, Message
from seealoud.device.mqtt.picture_commands import PictureCommand
from seealoud.device.mqtt.state_messages import (
    DiagnosticsMessage,
    InViewMessage,
    PlaceMessage,
    StateMessage,
    UpdateMessage,
)
from seealoud.device.requests import Request

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: Mapping[str, type[Message]] = {
    "caption": CaptionMessage,
    "alert": AlertMessage,
    "problem": ProblemMessage,
    "summary": SummaryMessage,
    "request": RequestMessage,
    "result": ResultMessage,
    "state": StateMessage,
    "diagnostics": DiagnosticsMessage,
    "in-view": InViewMessage,
    "place": PlaceMessage,
    "update": UpdateMessage,
}


def schemas() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    texts = {
        _file_name(name): _text(message.model_json_schema(mode="serialization"))
        for name, message in MESSAGES.items()
    }
    command = TypeAdapter[Any](Request).json_schema()
    texts[_file_name("command")] = _text({"title": "Command", **command})
    texts[_file_name("describe-picture")] = _text(PictureCommand.model_json_schema())
    texts[_file_name("desired")] = _text(DesiredSettings.model_json_schema())
    return texts


def write_schemas(folder: Path) -> None:
    """Write every schema into a folder that is there."""
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


def _file_name(name: str) -> str:
    return f"mqtt-{name}.schema.json"


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2) + "\n"


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
