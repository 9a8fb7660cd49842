"""What is in force, as TOML: each value with where it comes from. Pure.

Invariant: no secret is shown; but for those, and what is not set, the text is a valid file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from device.settings.keys import Key, Table
from device.settings.reference import title
from device.settings.schema import Settings
from device.settings.secrecy import masked
from device.settings.state import OVERRIDES, RunState
from device.settings.toml_text import toml_key, toml_value


class Origin(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    FILE = "file"
    RUN_TIME = "changed at run time"


def effective_text(settings: Settings, state: RunState, root: Table) -> str:
    """Return all that is in force; ``root`` is the table of ``settings``."""
    lines = list(_state_lines(state))
    for table in root.tables:
        lines += _group_lines(table, getattr(settings, table.path[-1]), state)
    return "\n".join(lines).strip() + "\n"


def _state_lines(state: RunState) -> Iterator[str]:
    """Yield what was changed at run time and has no key in the file."""
    values = state.model_dump(mode="json", exclude_none=True, exclude={"schema_version"})
    for name, value in values.items():
        if name not in OVERRIDES:
            yield f"# {name} = {toml_value(value)}  # {Origin.RUN_TIME}"


def _group_lines(table: Table, group: BaseModel | None, state: RunState) -> Iterator[str]:
    if group is None:
        yield f"\n# [{table.dotted}] is not set"
        return
    yield f"\n{title(table)}"
    values = group.model_dump(mode="json")
    for key in table.keys:
        is_set = key.name in group.model_fields_set
        yield _line(key, values[key.name], Origin.FILE if is_set else Origin.DEFAULT, state)
    for inner in table.tables:
        found = getattr(group, inner.path[-1])
        for one in found if inner.is_list else [found]:
            yield from _group_lines(inner, one, state)


def _line(key: Key, value: Any, origin: Origin, state: RunState) -> str:
    changed = getattr(state, _OVERRIDDEN[key.path]) if key.path in _OVERRIDDEN else None
    if changed is not None:
        # Empty is how the state says "the built-in voice", which the file says by not setting it.
        value, origin = (None if changed == "" else changed), Origin.RUN_TIME
    if value is None:
        return f"# {key.name} is not set  # {origin}"
    return f"{toml_key(key.name)} = {toml_value(masked(key.name, value))}  # {origin}"


_OVERRIDDEN: Mapping[tuple[str, ...], str] = {path: name for name, path in OVERRIDES.items()}


def differing_keys(before: Settings, after: Settings) -> list[str]:
    """Return the dotted names of what two readings of the settings differ in."""
    return list(_differing((), before.model_dump(), after.model_dump()))


def _differing(path: tuple[str, ...], before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _differing((*path, name), before.get(name), after.get(name))
    elif before != after:
        yield ".".join(path)
