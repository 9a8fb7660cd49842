"""The tables and keys that a group of settings has, with what is known of each. Pure.

Everything comes from the JSON schema that pydantic makes of the groups, so that a new field is in
the reference, the example and the error messages as soon as it is written.
"""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from device.settings.strict import SettingsGroup

JsonSchema = Mapping[str, Any]
_NOTHING: JsonSchema = {}
_RATES: Mapping[str, str] = {"s": "per second", "min": "per minute", "hour": "per hour"}
_NUMBERS = {"integer", "number"}
# annotated_types' names, and JSON schema's.
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
# By the last part of a key's name.
_UNITS: Mapping[str, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "min": "minutes",
    "days": "days",
    "px": "pixels",
    "hz": "Hz",
    "deg": "degrees",
    "db": "dB",
    "mb": "megabytes",
    "bytes": "bytes",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the file.

    Attributes:
        path: its table's names and its own.
        schema: JSON schema of its value, without "or not set".
        doc: what it means.
        default: None where it is not set unless somebody sets it.
        is_required: whether its table is wrong without it.
    """

    path: tuple[str, ...]
    schema: JsonSchema
    doc: str
    default: Any
    is_required: bool

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]

    @property
    def dotted(self) -> str:
        """Its full name, as in ``speech.volume``."""
        return ".".join(self.path)

    @property
    def unit(self) -> str:
        """The unit that its name ends with, in words; empty where it has none."""
        before, _, suffix = self.name.rpartition("_")
        if before.endswith("_per"):
            return _RATES.get(suffix, "")
        return _UNITS.get(suffix, "") if before else ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file, or the root.

    Attributes:
        path: its names; empty for the root.
        doc: what it is for.
        is_list: whether the file may have several of it (``[[name]]``).
        keys: in the order of the fields.
        tables: those inside it.
    """

    path: tuple[str, ...]
    doc: str
    is_list: bool = False
    keys: Sequence[Key] = field(default_factory=list)
    tables: Sequence[Table] = field(default_factory=list)

    @property
    def dotted(self) -> str:
        """Its full name."""
        return ".".join(self.path)

    @property
    def names(self) -> list[str]:
        """The names of all that may stand in it."""
        return [*(key.name for key in self.keys), *(table.path[-1] for table in self.tables)]

    def walk_keys(self) -> Iterator[Key]:
        """Yield every key in it and in the tables inside it."""
        yield from self.keys
        for table in self.tables:
            yield from table.walk_keys()

    def walk_tables(self) -> Iterator[Table]:
        """Yield it and the tables inside it, outer ones first."""
        yield self
        for table in self.tables:
            yield from table.walk_tables()

    def table(self, name: str) -> Table | None:
        """Return the table of this name directly inside, or None."""
        return next((table for table in self.tables if table.path[-1] == name), None)

    def key(self, name: str) -> Key | None:
        """Return the key of this name directly inside, or None."""
        return next((key for key in self.keys if key.name == name), None)


def tables_of(group: type[SettingsGroup]) -> Table:
    """Return the root table of a group of settings."""
    schema = group.model_json_schema()
    return _Reader(schema.get("$defs", _NOTHING)).table((), group, schema, _NOTHING)


class _Reader:
    """Reads a JSON schema whose parts refer to its definitions."""

    def __init__(self, definitions: Mapping[str, JsonSchema]) -> None:
        self._definitions = definitions

    def table(
        self,
        path: tuple[str, ...],
        group: type[BaseModel],
        schema: JsonSchema,
        defaults: Mapping[str, Any],
    ) -> Table:
        """Return the table of a group; ``defaults`` are those that its own table gives it."""
        keys: list[Key] = []
        tables: list[Table] = []
        for name, raw in schema.get("properties", _NOTHING).items():
            info, inner_path = group.model_fields[name], (*path, name)
            own, doc = self._resolved(raw), _as_lines(raw.get("description", ""))
            default = defaults.get(name, raw.get("default"))
            items = self._resolved(own.get("items") or _NOTHING)
            if _is_table(own):
                inner = self.table(inner_path, _group_in(info.annotation), own, default or _NOTHING)
                tables.append(replace(inner, doc=doc or inner.doc))
            elif _is_table(items):
                inner = self.table(inner_path, _group_in(info.annotation), items, _NOTHING)
                tables.append(replace(inner, doc=doc or inner.doc, is_list=True))
            else:
                value = {**_bounds_of(info.annotation, *info.metadata), **own}
                keys.append(Key(inner_path, value, doc, default, info.is_required()))
        return Table(path, _as_lines(schema.get("description", "")), False, keys, tables)

    def _resolved(self, schema: JsonSchema) -> JsonSchema:
        """Return a value's schema with its reference looked up and "or null" left out."""
        if "$ref" in schema:
            definition = self._definitions[schema["$ref"].rpartition("/")[2]]
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            return self._resolved({**definition, **rest})
        choices = [self._resolved(choice) for choice in schema.get("anyOf", ())]
        choices = [choice for choice in choices if choice.get("type") != "null"]
        if not choices:
            return schema
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        if {choice.get("type") for choice in choices} == _NUMBERS:
            return {**choices[0], **choices[1], **rest, "type": "number"}
        return {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}


def _is_table(schema: JsonSchema) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _group_in(annotation: Any) -> type[BaseModel]:
    """Return the group that an annotation is, or holds, as in ``tuple[Rule, ...]``.

    Raises:
        TypeError: it holds none.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        with contextlib.suppress(TypeError):
            return _group_in(part)
    raise TypeError(f"{annotation} holds no group of settings")


def _bounds_of(annotation: Any, *metadata: Any) -> dict[str, Any]:
    """Return the bounds of a number, which pydantic leaves out of the schema of a union."""
    found: dict[str, Any] = {}
    for part in typing.get_args(annotation):
        found |= _bounds_of(part, *getattr(part, "__metadata__", ()))
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            found |= _bounds_of(None, *mark.metadata)
        for attribute, name in _BOUNDS.items():
            if isinstance(bound := getattr(mark, attribute, None), int | float):
                found[name] = bound
    return found


def _as_lines(text: str) -> str:
    """Return a docstring as one line for each of its paragraphs; code between single backticks."""
    paragraphs = [" ".join(part.split()) for part in text.replace("``", "`").split("\n\n")]
    return "\n".join(part for part in paragraphs if part)
