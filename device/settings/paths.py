"""Where files lie: systemd's directories where the unit sets them, XDG's otherwise.

Only this module reads these variables. Nothing is created here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAME = "seealoud"
CONFIG_FILE = f"{NAME}.toml"
CONFIG_VARIABLE = "SEEALOUD_CONFIG"
SYSTEM_CONFIG = Path("/etc") / NAME
SYSTEM_RUNTIME = Path("/run") / NAME
_STATE_FILE = "state.json"
_SOCKET = f"{NAME}.sock"


@dataclass(frozen=True, slots=True)
class Directories:
    """The directories of one running SeeAloud.

    Attributes:
        config: of the TOML file.
        state: of what must survive: run-time settings, history.
        runtime: of the control socket; emptied at reboot where the system does that.
        cache: of what can be made again.
    """

    config: Path
    state: Path
    runtime: Path
    cache: Path

    @property
    def state_file(self) -> Path:
        """The file of what was changed at run time."""
        return self.state / _STATE_FILE

    @property
    def socket(self) -> Path:
        """The socket on which the daemon listens for the command line."""
        return self.runtime / _SOCKET


def directories(environ: Mapping[str, str] = os.environ) -> Directories:
    """Return the directories that systemd or the desktop wants us to use."""
    home = Path(environ.get("HOME") or Path.home())
    state = _first(environ, "STATE_DIRECTORY", "XDG_STATE_HOME") or home / ".local/state" / NAME
    return Directories(
        config=_first(environ, "CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME")
        or home / ".config" / NAME,
        state=state,
        # Without one from the system: where nobody else can write.
        runtime=_first(environ, "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR") or state / "run",
        cache=_first(environ, "CACHE_DIRECTORY", "XDG_CACHE_HOME") or home / ".cache" / NAME,
    )


def socket_candidates(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where a daemon may listen: one of our own, then the system's."""
    return (directories(environ).socket, SYSTEM_RUNTIME / _SOCKET)


def config_candidates(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the settings are looked for when nobody names a file, first one first."""
    own = directories(environ).config / CONFIG_FILE
    user = directories({**environ, "CONFIGURATION_DIRECTORY": ""}).config / CONFIG_FILE
    return tuple(dict.fromkeys((own, user, SYSTEM_CONFIG / CONFIG_FILE)))


def _first(environ: Mapping[str, str], systemd: str, xdg: str) -> Path | None:
    """Return systemd's directory, else our part of XDG's, else None."""
    # Where a unit has several, systemd joins them with colons, and the first one is ours.
    if own := environ.get(systemd, "").split(":")[0]:
        return Path(own)
    base = Path(environ.get(xdg, ""))
    # The XDG standard has relative paths passed over.
    return base / NAME if base.is_absolute() else None
