"""What is allowed in a file of settings and still unwise: secrets that others can read."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from device.health.settings import MetricsSettings
from device.settings.schema import Settings
from device.settings.secrecy import holds_sign_in

# A group may be how root lets the daemon's user read it.
_OTHERS = stat.S_IRWXO
_SECRET_FILES = ("password_file", "key_file", "token_file")


def risks(settings: Settings, file: Path | None) -> list[str]:
    """Return one line for each risk.

    Args:
        settings: what was read.
        file: from where; None for the defaults.
    """
    values = list(_leaves((), settings.model_dump(mode="json")))
    found = [line for dotted, value in values if (line := _secret_file(dotted, value))]
    secret_keys = [dotted for dotted, value in values if holds_sign_in(str(value))]
    if secret_keys and file is not None and _is_open_to_others(file):
        found.append(
            f"{secret_keys[0]}: holds a password, and others can read {file}: chmod o-rwx {file}"
        )
    if settings.metrics.is_on and not _is_loopback(settings.metrics):
        found.append(
            f"metrics.host: whoever reaches {settings.metrics.host} can read the metrics: "
            "there is no password"
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
    """Return what is wrong with a file that holds a secret."""
    if value is None or not dotted.endswith(_SECRET_FILES):
        return None
    file = Path(str(value))
    try:
        is_open = _is_open_to_others(file)
    except OSError as exc:
        return f"{dotted}: {file} cannot be looked at: {exc.strerror}"
    return f"{dotted}: others can read {file}: chmod o-rwx {file}" if is_open else None


def _is_open_to_others(file: Path) -> bool:
    return bool(file.stat().st_mode & _OTHERS)


def _is_loopback(metrics: MetricsSettings) -> bool:
    try:
        return ipaddress.ip_address(metrics.host).is_loopback
    except ValueError:
        return metrics.host == "localhost"
