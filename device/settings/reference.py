"""The documents generated from the settings, and in words what values a key takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from device.english import with_article
from device.settings.keys import JsonSchema, Key, Table
from device.settings.toml_text import TomlValue, toml_key, toml_value

_WIDTH = 96
_INTRODUCTION = """\
# Settings

Generated from the code by `seealoud config reference`; a test compares the two.

All settings of `seealoud run` are in one TOML file. Every key is optional. An unknown key or a
value that is not allowed is an error; `seealoud config check` reports all of them at once.

| command | what it does |
|---|---|
| `seealoud config init [PATH]` | writes [the commented example](settings.example.toml) |
| `seealoud config check [PATH]` | reports everything that is wrong or risky in a file |
| `seealoud config show` | prints the settings in force, and where each value comes from |

## Where the file is found

The first of these files is read:

1. `seealoud run --config FILE`
2. `$SEEALOUD_CONFIG`
3. `$CONFIGURATION_DIRECTORY/seealoud.toml` (set by systemd)
4. `$XDG_CONFIG_HOME/seealoud/seealoud.toml`, usually `~/.config/seealoud/seealoud.toml`
5. `/etc/seealoud/seealoud.toml`

If there is none, every setting has its default.

## Settings of earlier versions

A key that is no longer a setting is ignored. `seealoud config check` and the log at start name it,
with the reason; later versions treat it as an unknown key.

## Secrets

Passwords are not part of this file. It contains the path of a file with the password, or systemd
provides it (`LoadCredential=mqtt-password:…`). The address of a camera may contain a user and a
password: then make the file unreadable for others (`chmod o-rwx`). No command or log shows them.

## Changes at run time

Volume, rate, voice, minimum gap and narration can be changed by button, MQTT or command line.
Such a change overrides the file, and is saved in `state.json` in the state directory
(`$STATE_DIRECTORY`, else `$XDG_STATE_HOME/seealoud`, usually `~/.local/state/seealoud`).
`seealoud config show` marks these values. To undo all of them, stop the daemon and delete that
file.
"""
_EXAMPLE_INTRODUCTION = """\
# The settings of SeeAloud, each with its default. To change one, remove the "#" before its key.
# `seealoud config check` reports mistakes; docs/settings.md shows the same settings as tables.
"""
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
# First words of what a key takes before which a sentence needs an article.
_COUNTED = {"address", "date", "duration", "list", "number", "path", "table", "time", "whole"}
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number"}


def reference_text(root: Table) -> str:
    """Return ``docs/settings.md``."""
    return "\n".join([_INTRODUCTION, *(_section(table) for table in root.walk_tables())])


@dataclass(frozen=True, slots=True)
class ChosenValue:
    """A value that the example file sets, and why."""

    value: TomlValue
    reason: str


def example_text(root: Table, chosen: Mapping[str, ChosenValue] | None = None) -> str:
    """Return ``docs/settings.example.toml``; it is valid with every "#key" uncommented, too.

    Args:
        root: all settings.
        chosen: the keys to set, e.g. "camera.source"; the others stay commented defaults.
    """
    tables = (_example(table, chosen or {}) for table in root.walk_tables())
    return "\n".join([_EXAMPLE_INTRODUCTION, *tables])


def title(table: Table) -> str:
    """Return the header of a table, as in TOML."""
    name = ".".join(toml_key(part) for part in table.path)
    return f"[[{name}]]" if table.is_list else f"[{name}]"


def allowed(key: Key) -> str:
    """Return what values a key takes, with the unit: "number from 0 to 2, in seconds"."""
    words, unit = _words(key.schema), key.unit
    if not unit:
        return words
    return f"{words}, {unit}" if unit.startswith("per ") else f"{words}, in {unit}"


def allowed_phrase(key: Key) -> str:
    """Return what values a key takes, as part of a sentence: "a number from 0 to 2"."""
    words = allowed(key)
    return with_article(words) if words.split()[0].rstrip(",") in _COUNTED else words


def _section(table: Table) -> str:
    return table_section(table) if table.path else ""


def table_section(table: Table, heading: str = "") -> str:
    """Return a table's documentation and keys as a section of Markdown.

    Args:
        table: the table.
        heading: the line of the heading; empty for the table's own name.
    """
    lines = [heading or f"## `{title(table)}`", "", *table.doc.split("\n")]
    if table.keys:
        lines += ["", "| key | takes | default | meaning |", "|---|---|---|---|"]
        lines += [_row(key) for key in table.keys]
    return "\n".join([*lines, ""])


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", allowed(key), _default(key), key.doc)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _default(key: Key) -> str:
    if key.is_required:
        return "(must be set)"
    return "not set" if key.default is None else f"`{toml_value(key.default)}`"


def _example(table: Table, chosen: Mapping[str, ChosenValue]) -> str:
    if not table.path:
        return ""
    # A list of tables is empty by default, so its header is a comment, too.
    mark = "#" if table.is_list else ""
    lines = [*_comment(table.doc), f"{mark}{title(table)}", ""]
    for key in table.keys:
        lines += _comment(f"{key.doc}\nTakes: {allowed(key)}.")
        value = chosen.get(".".join([*table.path, key.name]))
        if value is None:
            lines += [_assignment(key), ""]
        else:
            lines += [*_comment(value.reason), f"{key.name} = {toml_value(value.value)}", ""]
    return "\n".join(lines)


def _assignment(key: Key) -> str:
    value = example_value(key) if key.default is None else key.default
    note = "  # not set by default" if key.default is None and not key.is_required else ""
    return f"#{toml_key(key.name)} = {toml_value(value)}{note}"


def _comment(text: str) -> Iterator[str]:
    """Yield a text as comment lines; "# " with a space distinguishes them from commented keys."""
    for paragraph in text.split("\n"):
        line = "#"
        for word in paragraph.split():
            if len(line) + 1 + len(word) > _WIDTH:
                yield line
                line = "#"
            line += f" {word}"
        if line != "#":
            yield line


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
    """Return alternatives as a list in words: "a, b or c"."""
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
    """Return a value for a key without a default, for the example file."""
    return _example_of(key.schema)


def _example_of(schema: JsonSchema) -> Any:
    if examples := schema.get("examples") or schema.get("enum"):
        return examples[0]
    match schema.get("type"):
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", schema.get("maximum", 1))
        case "array":
            return [_example_of(schema.get("items") or {})] * schema.get("minItems", 0)
        case "object":
            return {}
        case _:
            return "/path/to/file" if "path" in schema.get("format", "") else "text"
