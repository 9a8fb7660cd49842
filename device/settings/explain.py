"""Messages about invalid settings: one line for each wrong key. Pure.

Invariant: a line names the key as it is written in the file, and shows no secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from device.settings.keys import Key, Table
from device.settings.reference import allowed_phrase
from device.settings.toml_text import MASK, TomlValue, masked, masked_text, toml_value

_MAX_SHOWN_CHARS = 60
_MAX_MESSAGE_CHARS = 400
_UNKNOWN, _MISSING, _RULE = "extra_forbidden", "missing", "value_error"
_VALUE_ERROR_PREFIX = "Value error, "
_Location = Sequence[str | int]


def explain(error: ValidationError, root: Table) -> list[str]:
    """Return one line for each key that is wrong, in the order of the file's tables."""
    lines: dict[str, str] = {}
    for details in error.errors(include_url=False):
        dotted, thing = _found(details["loc"], root)
        # A value that matches no member of a union fails once per member: one line is enough.
        lines.setdefault(dotted, _line(dotted, thing, details, root))
    return list(lines.values())


def _line(dotted: str, thing: Key | Table, details: Mapping[str, Any], root: Table) -> str:
    kind = details["type"]
    if kind == _UNKNOWN and isinstance(thing, Table):
        return f"{dotted}: no such {_kind_of(details['input'])}; {_suggestion(dotted, thing, root)}"
    if kind == _MISSING:
        wanted = "a table" if isinstance(thing, Table) else allowed_phrase(thing)
        return f"{dotted}: missing; it takes {wanted}"
    if isinstance(thing, Table):
        if kind == _RULE:  # several of its keys contradict each other
            return f"{dotted or 'the file'}: {_cut(_message(details), _MAX_MESSAGE_CHARS)}"
        shape = "a list of tables, [[…]]" if thing.is_list else "a table, […]"
        return f"{dotted}: {_shown(thing.path[-1], details['input'])} is not {shape}"
    shown = _shown(thing.name, details["input"])
    advice = _advice(thing)
    if kind == _RULE:
        message = _cut(_without_secret(thing, details), _MAX_MESSAGE_CHARS)
        is_named = shown.strip('"') in message
        return f"{dotted}: {message}" + ("" if is_named else f" (it is {shown})") + advice
    return f"{dotted}: {shown} is not allowed; it takes {allowed_phrase(thing)}{advice}"


def _advice(key: Key) -> str:
    """Return what to do about a value that is not allowed."""
    if key.is_required:
        return ". Change it"
    if key.default is None:
        return ". Change it, or delete the line"
    return f". Change it, or delete the line: the default is {_shown(key.name, key.default)}"


def _found(location: _Location, root: Table) -> tuple[str, Key | Table]:
    """Return the dotted name of a location, and the innermost known key or table in it.

    What pydantic appends to a key, such as the name of a union's member, is left out.
    """
    dotted, thing = "", root
    for depth, part in enumerate(location, 1):
        if isinstance(part, int):
            dotted += f"[{part}]"
            continue
        inner = thing.table(part) or thing.key(part)
        dotted = f"{dotted}.{part}" if dotted else part
        if isinstance(inner, Key):
            return dotted + _positions(location[depth:]), inner
        if inner is None:
            break
        thing = inner
    return dotted, thing


def _positions(rest: _Location) -> str:
    return "".join(f"[{part}]" for part in rest if isinstance(part, int))


def _suggestion(dotted: str, table: Table, root: Table) -> str:
    """Return what was probably meant: a similar name, the same name elsewhere, or all names."""
    before, dot, wrong = dotted.rpartition(".")
    if near := difflib.get_close_matches(wrong, table.names, n=1):
        return f"did you mean {before}{dot}{near[0]}?"
    if same := [key.dotted for key in root.walk_keys() if key.name == wrong]:
        return f"did you mean {same[0]}?"
    everywhere = {key.name: key.dotted for key in root.walk_keys()}
    if near := difflib.get_close_matches(wrong, everywhere, n=1, cutoff=0.8):
        return f"did you mean {everywhere[near[0]]}?"
    return f"there are: {', '.join(table.names)}"


def _kind_of(value: object) -> str:
    is_table = isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )
    return "table" if is_table else "key"


def _message(details: Mapping[str, Any]) -> str:
    """Return the message of a validator, without secrets in addresses."""
    return masked_text(str(details["msg"]).removeprefix(_VALUE_ERROR_PREFIX))


def _without_secret(key: Key, details: Mapping[str, Any]) -> str:
    """Return the message of a validator with the value masked if it is secret."""
    message, value = _message(details), details["input"]
    if isinstance(value, str) and masked(key.name, value) == MASK:
        return message.replace(value, MASK)
    return message


def _shown(name: str, value: TomlValue | None) -> str:
    hidden = masked(name, value) if value is not None else ""
    text = MASK if hidden == MASK else toml_value(hidden)
    return _cut(text, _MAX_SHOWN_CHARS)


def _cut(text: str, largest_chars: int) -> str:
    return text if len(text) <= largest_chars else f"{text[:largest_chars]}…"
