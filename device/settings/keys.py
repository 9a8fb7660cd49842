"""The tables and keys of the settings, as data. Pure.

Everything is derived from the JSON schema that pydantic makes of the groups, so that a new field
appears in the reference, the example and the error messages without further code.
"""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seealoud.device.settings_base import SettingsGroup

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
# By the last part of a key's name: what its unit is called.
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
        path: names of its tables, then its own.
        schema: JSON schema of its value, without "or null".
        doc: its documentation.
        default: None if it has no default.
        is_required: whether its table is invalid without it.
    """

    path: tuple[str, ...]
    schema: JsonSchema
    doc: str
    default: Any
    is_required: bool

    @property
    def name(self) -> str:
        """Last part of its path."""
        return self.path[-1]

    @property
    def dotted(self) -> str:
        """Its full name, for example ``speech.volume``."""
        return ".".join(self.path)

    @property
    def unit(self) -> str:
        """The unit that its name ends with, in words; empty if there is none."""
        before, _, suffix = self.name.rpartition("_")
        if before.endswith("_per"):
            return _RATES.get(suffix, "")
        return _UNITS.get(suffix, "") if before else ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file, or the root.

    Attributes:
        path: names of the tables around it, then its own; empty for the root.
        doc: its documentation.
        is_list: whether the file may contain several (``[[name]]``).
        keys: its keys, in the order of the fields.
        tables: the tables inside it.
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
        """Names of all keys and tables that it may contain."""
        return [*(key.name for key in self.keys), *(table.path[-1] for table in self.tables)]

    def walk_keys(self) -> Iterator[Key]:
        """Yield every key of this table and of the tables inside it."""
        yield from self.keys
        for table in self.tables:
            yield from table.walk_keys()

    def walk_tables(self) -> Iterator[Table]:
        """Yield this table and the tables inside it, outer ones first."""
        yield self
        for table in self.tables:
            yield from table.walk_tables()

    def table(self, name: str) -> Table | None:
        """Return the inner table of this name, or None."""
        return next((table for table in self.tables if table.path[-1] == name), None)

    def key(self, name: str) -> Key | None:
        """Return the key of this name, or None."""
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
        """Return the table of a group; ``defaults`` are those that the outer table sets."""
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
        """Return the schema of a value with references resolved and "or null" removed."""
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
    """Return the group in an annotation such as ``Rule`` or ``tuple[Rule, ...]``.

    Raises:
        TypeError: there is no group in it.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        with contextlib.suppress(TypeError):
            return _group_in(part)
    raise TypeError(f"{annotation} contains no group of settings")


def _bounds_of(annotation: Any, *metadata: Any) -> dict[str, Any]:
    """Return the bounds of a number, which pydantic omits from the schema of a union."""
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
    """Return a docstring with one line per paragraph, and code between single backticks."""
    paragraphs = [" ".join(part.split()) for part in text.replace("``", "`").split("\n\n")]
    return "\n".join(part for part in paragraphs if part)
