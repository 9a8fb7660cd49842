"""Prints the demo's output; only this module uses the terminal's width and colours."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_INDENT = "    "
_STAGES = ("preprocess_ms", "encoder_ms", "decoder_ms", "total_ms")
_COLUMNS = ("preprocess", "encoder", "decoder", "caption", "first sound")
_COLUMN_WIDTH = 12
_BRIEF_FIELDS = ("text", "probability", "frame_age_ms")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture's line in the table.

    Attributes:
        caption: the object that ``seealoud describe --json`` printed.
        first_sound_ms: from the caption's text to its first samples of speech.
    """

    caption: dict[str, Any]
    first_sound_ms: float


def is_coloured() -> bool:
    """Return whether stdout is a terminal and colours are not switched off."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def show(text: str = "", style: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(f"{style}{text}{_PLAIN}" if style and is_coloured() else text, flush=True)


def show_heading(text: str) -> None:
    """Print what comes next."""
    show()
    show(text, _BOLD)


def show_facts(facts: dict[str, str]) -> None:
    """Print names and values, one a line, under each other."""
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        show(f"{_INDENT}{name:<{width}}  {value}")


def show_caption(caption: dict[str, Any]) -> None:
    """Print what the command said of a picture."""
    show()
    show(f"{Path(caption['source']).name}: {caption['text']}", _BOLD)


def show_message(topic: str, payload: bytes, *, is_whole: bool) -> None:
    """Print a message as it came from the broker.

    Args:
        topic: where it came.
        payload: text or JSON.
        is_whole: print JSON in full, a line for each field; else some fields on one line.
    """
    text = payload.decode(errors="replace")
    try:
        message = json.loads(text)
    except ValueError:
        message = text
    if not isinstance(message, dict):
        show(f"{_INDENT}MQTT {topic}: {text}", _DIM)
    elif is_whole:
        show(f"{_INDENT}MQTT {topic}", _DIM)
        for line in message_lines(message):
            show(_INDENT + line, _DIM)
    else:
        brief = json.dumps({name: message[name] for name in _BRIEF_FIELDS}, ensure_ascii=False)
        show(f"{_INDENT}MQTT {topic}: {brief.removesuffix('}')}, …}}", _DIM)


def message_lines(message: dict[str, Any]) -> list[str]:
    """Return a JSON object as lines: each field on one, each element of a list too."""
    fields = [_field_lines(json.dumps(name), value) for name, value in message.items()]
    for lines in fields[:-1]:
        lines[-1] += ","
    return ["{", *(f"  {line}" for lines in fields for line in lines), "}"]


def _field_lines(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not value:
        return [f"{name}: {json.dumps(value, ensure_ascii=False)}"]
    elements = [f"  {json.dumps(element, ensure_ascii=False)}," for element in value]
    elements[-1] = elements[-1].removesuffix(",")
    return [f"{name}: [", *elements, "]"]


def show_table(rows: Sequence[Row]) -> None:
    """Print the timings in milliseconds."""
    names = [Path(row.caption["source"]).name for row in rows]
    width = max(len(name) for name in ["picture", *names])
    heading = "".join(f"{column:>{_COLUMN_WIDTH}}" for column in _COLUMNS)
    show(f"{_INDENT}{'picture':<{width}}{heading}")
    for name, row in zip(names, rows, strict=True):
        timings = row.caption["timings"]
        values = [*(timings[stage] for stage in _STAGES), row.first_sound_ms]
        cells = "".join(f"{f'{value:.1f} ms':>{_COLUMN_WIDTH}}" for value in values)
        show(f"{_INDENT}{name:<{width}}{cells}")
