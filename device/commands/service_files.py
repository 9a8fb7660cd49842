"""What the commands for bundles and voices share: whose files they change, and signatures."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.commands.report import echo_error
from seealoud.device.errors import BundleError, OutputError

if TYPE_CHECKING:
    from seealoud.device.settings.paths import Directories


def service_directories(what: str) -> Directories:
    """Return the service's directories for root where there is a service, else the user's own.

    What is installed is read as the user who owns the folder, never as root.

    Args:
        what: what is installed, in the plural.

    Raises:
        OutputError: the folder belongs to nobody.
    """
    from seealoud.device.settings.paths import SYSTEM_STATE, directories

    has_service = not os.environ.get("STATE_DIRECTORY") and SYSTEM_STATE.is_dir()
    if os.geteuid() == 0:
        if has_service:
            os.environ["STATE_DIRECTORY"] = str(SYSTEM_STATE)
        _become_owner(directories().state)
    elif has_service:
        echo_error(f"warning: these are your own {what}; for those of the service, use sudo")
    return directories()


def _become_owner(folder: Path) -> None:
    """Give the rights of root up for those of a folder's owner; nothing where that is root."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if (owner := there.stat().st_uid) == 0:
        return
    try:
        entry = pwd.getpwuid(owner)
    except KeyError as exc:
        raise OutputError(f"{there} belongs to no known user, but to {owner}") from exc
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(owner)
    os.environ["HOME"] = entry.pw_dir


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn an error of the disk into one in one line.

    Args:
        path: is named where the error names no file.

    Raises:
        OutputError: a file cannot be read or written.
    """
    try:
        yield
    except BundleError:
        raise
    except OSError as exc:
        name = os.fspath(exc.filename) if exc.filename else path
        raise OutputError(f"{name}: {exc.strerror or exc}") from exc
