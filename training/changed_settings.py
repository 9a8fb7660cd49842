"""Settings of a run that are changed on the command line, and the page that lists them all."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from device.settings.keys import Table
from device.settings.reference import table_section
from training.errors import RunConfigError

_INTRODUCTION = """\
# Settings of a run

Generated from the code by `seealoud-train settings`; a test compares the two.

A run has one TOML file: one in `training/configs`, which is given by its name, or a file of your
own. Only `name`, `[encoder]` and `[decoder]` with their names must be there. An unknown key or a
value that is not allowed is an error that says what is. `--set` changes a setting for one command:

    seealoud-train run lite2-transformer --set optimiser.epochs=3 --set name=trial --data DIR

A run's folder has its name. To train the same file with other settings, change `name` as well:
a folder that holds a run with other settings is refused.
"""


def with_changes(values: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return the values of a TOML file with some of them changed.

    Args:
        values: tables and keys.
        changes: each as ``TABLE.KEY=VALUE``, the value as in TOML; text needs no quotes. A table
            of a list is named by its number from 0, as in ``extra_data.0.views=1``.

    Raises:
        RunConfigError: a change is not of that form, or goes into a key that is no table.
    """
    changed: dict[str, Any] = _copy(values)
    for change in changes:
        dotted, equals, text = change.partition("=")
        path = [part.strip() for part in dotted.split(".")]
        if not (equals and all(path)):
            raise RunConfigError(f"--set {change}: write it as optimiser.epochs=3")
        *tables, key = path
        place: Any = changed
        for table in tables:
            place = _inner(place, table, change)
        if not isinstance(place, dict):
            raise RunConfigError(f"--set {change}: {'.'.join(tables)} has no keys")
        place[key] = _value(text.strip())
    return changed


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _inner(place: Any, name: str, change: str) -> Any:
    if isinstance(place, list):
        if name.isdecimal() and int(name) < len(place):
            return place[int(name)]
        raise RunConfigError(f"--set {change}: there are {len(place)}, give a number from 0")
    if not isinstance(place, dict):
        raise RunConfigError(f"--set {change}: {name} is not a table")
    return place.setdefault(name, {})


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def settings_reference(root: Table) -> str:
    """Return ``docs/run-settings.md``."""
    sections = (
        table_section(table, "" if table.path else "## Outside of all tables")
        for table in root.walk_tables()
    )
    return "\n".join([_INTRODUCTION, *sections])
