"""Reads the settings file; only this module knows where it is searched and how strict it is.

Invariants: no value is guessed or silently ignored; all mistakes are reported at once, one line for
each key; no message shows a secret.
"""

from __future__ import annotations

import functools
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seealoud.device.errors import ConfigError
from seealoud.device.files import require_regular
from seealoud.device.settings.explain import explain
from seealoud.device.settings.keys import Table, tables_of
from seealoud.device.settings.paths import CONFIG_VARIABLE, config_candidates
from seealoud.device.settings.retired import without_retired
from seealoud.device.settings.schema import Settings


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a file, or the defaults if there is none.

    Args:
        path: the file; None searches for it, see ``find_config``.
        environ: the environment.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has wrong keys or values: one line
            for each, with the key, the value and what is allowed.
    """
    file = find_config(path, environ)
    return Settings() if file is None else parse_settings(_read(file), str(file))


def find_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file to read, or None if there is none.

    It is ``path``, else $SEEALOUD_CONFIG: neither has to exist, so that a missing file is an error
    when it is read. Else it is the first existing ``seealoud.toml`` in $CONFIGURATION_DIRECTORY,
    the user's configuration directory and /etc/seealoud.
    """
    if path is not None:
        return path
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return next((file for file in config_candidates(environ) if _exists(file)), None)


def parse_settings(text: str, origin: str) -> Settings:
    """Return the settings in a TOML text.

    Args:
        text: the file's contents.
        origin: its name, for messages.

    Raises:
        ConfigError: it is not TOML, or keys or values are wrong.
    """
    values, _ = without_retired(_tables(text, origin))
    try:
        # Through JSON, where strict means: "5" is not 5 and 1 is not true, but a list may be a
        # tuple and a text may be a path.
        return Settings.model_validate_json(json.dumps(values, default=_json), strict=True)
    except ValidationError as exc:
        problems = explain(exc, settings_table())
        raise ConfigError("\n".join(f"{origin}: {problem}" for problem in problems)) from exc


def retired_lines(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return one line for each key of the file that was a setting in an earlier version.

    Args:
        path: the file; None searches for it, see ``find_config``.
        environ: the environment.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    file = find_config(path, environ)
    if file is None:
        return []
    _, lines = without_retired(_tables(_read(file), str(file)))
    return [f"{file}: {line}" for line in lines]


@functools.cache
def settings_table() -> Table:
    """Return every table and key that the file may contain."""
    return tables_of(Settings)


def _tables(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{origin} is not TOML: {exc}") from exc


def _json(value: Any) -> str:
    """Return a date or time of TOML as JSON text."""
    return str(value.isoformat())


def _exists(file: Path) -> bool:
    """Return whether a file exists and its directory may be searched."""
    try:
        return file.is_file()
    except OSError:
        return False


def _read(file: Path) -> str:
    try:
        require_regular(file)
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{file} is not TOML: byte {exc.start} is not UTF-8") from exc
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no {file}: `seealoud config init {file}` writes one") from exc
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}") from exc
