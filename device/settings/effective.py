"""The settings in force: as TOML with the origin of each value, and which of them are risky.

Invariant: no secret is shown; except for secrets and values that are not set, the TOML is valid.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from seealoud.device.settings.keys import Key, Table
from seealoud.device.settings.reference import title
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import OVERRIDES, RunState
from seealoud.device.settings.toml_text import holds_sign_in, masked, toml_key, toml_value
from seealoud.device.settings_base import is_loopback, split_address

# Secret files may be readable for a group: that is how root gives the daemon's user access.
_OTHERS = stat.S_IRWXO
_SECRET_FILES = ("password_file", "key_file", "token_file")


class Origin(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    FILE = "file"
    RUN_TIME = "changed at run time"


def effective_text(settings: Settings, state: RunState, root: Table) -> str:
    """Return the settings in force; ``root`` is the table of ``settings``."""
    lines = list(_state_lines(state))
    for table in root.tables:
        lines += _group_lines(table, getattr(settings, table.path[-1]), state)
    return "\n".join(lines).strip() + "\n"


def _state_lines(state: RunState) -> Iterator[str]:
    """Yield changes at run time that have no key in the file."""
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
        # The built-in voice is an empty path in the state file, and no value in the settings.
        value, origin = (None if changed == "" else changed), Origin.RUN_TIME
    if value is None:
        return f"# {key.name} is not set  # {origin}"
    return f"{toml_key(key.name)} = {toml_value(masked(key.name, value))}  # {origin}"


_OVERRIDDEN: Mapping[tuple[str, ...], str] = {path: name for name, path in OVERRIDES.items()}


def differing_keys(before: Settings, after: Settings) -> list[str]:
    """Return the dotted names of the keys in which two sets of settings differ."""
    return list(_differing((), before.model_dump(), after.model_dump()))


def _differing(path: tuple[str, ...], before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _differing((*path, name), before.get(name), after.get(name))
    elif before != after:
        yield ".".join(path)


def risks(settings: Settings, file: Path | None) -> list[str]:
    """Return one line for each value that is allowed but unwise.

    Args:
        settings: the settings.
        file: the file they were read from; None for the defaults.
    """
    values = list(_leaves((), settings.model_dump(mode="json")))
    found = [line for dotted, value in values if (line := _secret_file(dotted, value))]
    secret_keys = [dotted for dotted, value in values if holds_sign_in(str(value))]
    if secret_keys and file is not None and _is_open_to_others(file):
        found.append(
            f"{secret_keys[0]}: contains a password, and others can read {file}: chmod o-rwx {file}"
        )
    host, _ = split_address(settings.metrics.address)
    if settings.metrics.is_on and not is_loopback(host):
        found.append(
            f"metrics.address: everyone who can reach {host} can read the metrics: they have no "
            "password"
        )
    host, _ = split_address(settings.web.address)
    if settings.web.is_on and not is_loopback(host):
        found.append(
            f"web.address: everyone who can reach {host} and knows the token can look through the "
            "camera; without TLS, whoever can record the network's traffic learns the token"
        )
    return found


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted name."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves((*path, name), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves((*path[:-1], f"{path[-1]}[{number}]"), inner)
    else:
        yield ".".join(path), value


def _secret_file(dotted: str, value: Any) -> str | None:
    """Return what is wrong with the permissions of a secret's file, or None."""
    if value is None or not dotted.endswith(_SECRET_FILES):
        return None
    file = Path(str(value))
    try:
        is_open = _is_open_to_others(file)
    except OSError as exc:
        return f"{dotted}: {file} cannot be checked: {exc.strerror}"
    return f"{dotted}: others can read {file}: chmod o-rwx {file}" if is_open else None


def _is_open_to_others(file: Path) -> bool:
    return bool(file.stat().st_mode & _OTHERS)
