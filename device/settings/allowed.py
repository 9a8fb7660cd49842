"""What a key takes, in words for people: "number from 0 to 2, in seconds". Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from device.settings.keys import JsonSchema, Key
from device.settings.toml_text import toml_value

_FORMATS = {
    "path": "path",
    "file-path": "path of a file",
    "directory-path": "path of a directory",
    "time": 'time of day in quotes, as "22:30"',
    "date": "date in quotes",
    "date-time": "date and time in quotes",
    "duration": "duration in quotes",
    "uri": "address",
    "password": "text",
}
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number"}


def allowed(key: Key) -> str:
    """Return what values a key takes, with its unit."""
    words, unit = _words(key.schema), key.unit
    if not unit:
        return words
    return f"{words}, {unit}" if unit.startswith("per ") else f"{words}, in {unit}"


def _words(schema: JsonSchema) -> str:
    if "const" in schema:
        return toml_value(schema["const"])
    if "enum" in schema:
        return one_of(toml_value(value) for value in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return one_of(dict.fromkeys(_words(choice) for choice in choices))
    match schema.get("type"):
        case "boolean" | "integer" | "number" as kind:
            return f"{_TYPES[kind]}{_bounds(schema)}"
        case "string":
            return _text_words(schema)
        case "array":
            return _list_words(schema)
        case "object":
            return f"table of names, each with: {_words(schema.get('additionalProperties') or {})}"
        case _:
            return "any value"


def one_of(words: Iterable[str]) -> str:
    """Return alternatives as people list them."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _bounds(schema: JsonSchema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {_plain(low)} to {_plain(high)}"
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts = (("at least", low), ("above", above), ("at most", high), ("below", below))
    named = [f"{word} {_plain(bound)}" for word, bound in parts if bound is not None]
    return f" {' and '.join(named)}" if named else ""


def _plain(number: float) -> str:
    return f"{number:.12g}"


def _text_words(schema: JsonSchema) -> str:
    words = _FORMATS.get(schema.get("format", ""), "text")
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is not None:
        words += f" of {low} to {high} characters" if low else f" of up to {high} characters"
    elif low:
        words += " that is not empty" if low == 1 else f" of at least {low} characters"
    return f"{words} like the pattern {schema['pattern']}" if "pattern" in schema else words


def _list_words(schema: JsonSchema) -> str:
    if places := schema.get("prefixItems"):
        return f"list of {len(places)}: {', '.join(_words(place) for place in places)}"
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    count = f"{low} to {high}" if high is not None else f"at least {low}" if low else ""
    words = f"list of {count}" if count else "list"
    return f"{words}, each: {_words(schema.get('items') or {})}"


def example_value(key: Key) -> Any:
    """Return a value for a key that has no default: the first of its examples, else a made-up one.

    It stands in the commented example file.
    """
    return _example(key.schema)


def _example(schema: JsonSchema) -> Any:
    if examples := schema.get("examples") or schema.get("enum"):
        return examples[0]
    match schema.get("type"):
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", schema.get("maximum", 1))
        case "array":
            return [_example(schema.get("items") or {})] * schema.get("minItems", 0)
        case "object":
            return {}
        case _:
            return "/path/to/file" if "path" in schema.get("format", "") else "text"
