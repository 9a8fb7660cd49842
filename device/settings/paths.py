"""Where files are: in systemd's directories if the unit sets them, otherwise in XDG's.

Only this module reads these variables. Only ``StateLock`` creates anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from seealoud.device.errors import DaemonError
from seealoud.device.files import require_regular

_LOGGER = logging.getLogger(__name__)
NAME = "seealoud"
CONFIG_FILE = f"{NAME}.toml"
CONFIG_VARIABLE = "SEEALOUD_CONFIG"
SYSTEM_CONFIG = Path("/etc") / NAME
SYSTEM_STATE = Path("/var/lib") / NAME
SYSTEM_RUNTIME = Path("/run") / NAME
_KEYS = "bundle-keys"
_STATE_FILE = "state.json"
_SOCKET = f"{NAME}.sock"
_LOCK_FILE = f"{NAME}.lock"
_PID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Directories:
    """The directories of one running SeeAloud.

    Attributes:
        config: contains the TOML file.
        state: contains what must survive a restart: changes at run time and history.
        runtime: contains the control socket; usually emptied at reboot.
    """

    config: Path
    state: Path
    runtime: Path

    @property
    def state_file(self) -> Path:
        """The file with the changes made at run time."""
        return self.state / _STATE_FILE

    @property
    def bundles(self) -> Path:
        """The folder of the bundles that were installed."""
        return self.state / "bundles"

    @property
    def voices(self) -> Path:
        """The folder of the voices that were installed."""
        return self.state / "voices"

    @property
    def bundle_keys(self) -> tuple[Path, ...]:
        """The folders of the keys whose owners may sign bundles and voices."""
        return tuple(dict.fromkeys((SYSTEM_CONFIG / _KEYS, self.config / _KEYS)))

    @property
    def socket(self) -> Path:
        """The socket on which the daemon listens for ``seealoud press``."""
        return self.runtime / _SOCKET


def directories(environ: Mapping[str, str] = os.environ) -> Directories:
    """Return the directories that systemd or the desktop assigns to SeeAloud."""
    home = Path(environ.get("HOME") or Path.home())
    state = _first(environ, "STATE_DIRECTORY", "XDG_STATE_HOME") or home / ".local/state" / NAME
    return Directories(
        config=_first(environ, "CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME")
        or home / ".config" / NAME,
        state=state,
        # If the system provides none: a directory that nobody else can write to.
        runtime=_first(environ, "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR") or state / "run",
    )


def socket_candidates(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where a daemon may listen: the user's socket, then the system's."""
    return (directories(environ).socket, SYSTEM_RUNTIME / _SOCKET)


def config_candidates(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Return where the settings file may be if none is named, in order of precedence."""
    own = directories(environ).config / CONFIG_FILE
    user = directories({**environ, "CONFIGURATION_DIRECTORY": ""}).config / CONFIG_FILE
    return tuple(dict.fromkeys((own, user, SYSTEM_CONFIG / CONFIG_FILE)))


def _first(environ: Mapping[str, str], systemd: str, xdg: str) -> Path | None:
    """Return systemd's directory, else the one below XDG's, else None."""
    # If a unit has several, systemd joins them with colons; ours is the first.
    if own := environ.get(systemd, "").split(":")[0]:
        return Path(own)
    base = Path(environ.get(xdg, ""))
    # The XDG standard requires that relative paths are ignored.
    return base / NAME if base.is_absolute() else None


class StateLock:
    """Ensures that one daemon at most uses a state directory; a context manager.

    It is held from ``acquire`` to ``close``, and ends with its process, however that ends. A
    directory that cannot be written to is used all the same, because a device that cannot keep its
    history still has to speak. The file is never removed: otherwise a third process could create
    and lock a new file while a second one locks the removed one.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock, and create the directory if it is missing.

        Raises:
            DaemonError: another daemon holds it.
        """
        path = self._directory / _LOCK_FILE
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                require_regular(path)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            _LOGGER.warning(
                "state directory %s cannot be written: %s; history and settings changed at run "
                "time will be lost. Give this user the right to write there, or name another "
                "directory with $STATE_DIRECTORY",
                *(self._directory, exc.strerror),
            )
            with contextlib.suppress(OSError):  # no earlier daemon could write there either
                self._lock(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            return
        self._lock(handle)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = os.pread(handle, _PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(handle)
            raise DaemonError(
                f"another seealoud (process {owner or 'unknown'}) runs with {self._directory}: "
                "stop it, or give this one a directory of its own with $STATE_DIRECTORY"
            ) from exc
        self._handle = handle

    def close(self) -> None:
        """Release the lock; may be called again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> StateLock:
        """Take the lock.

        Raises:
            DaemonError: as ``acquire``.
        """
        self.acquire()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock."""
        self.close()
