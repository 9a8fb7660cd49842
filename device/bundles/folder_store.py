"""A folder of installed things, bundles or voices: each one a folder with a name of its own.

Invariant: a folder with a name is whole, because it is renamed into place only when its files are
on the disk. Several processes may use the folder at once; one of them at a time changes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from seealoud.device.errors import BundleError
from seealoud.device.files import require_regular, sync_folder, write_durably

LONGEST_NAME = 200
_FOLDER_LOCK = ".folder.lock"
_UNFINISHED = ".unfinished-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*-[0-9a-f]{12}")
InstalledName = Annotated[str, Field(pattern=f"^{_NAME.pattern}$", max_length=LONGEST_NAME)]
"""Ends with the beginning of a hash, so that different contents have different names."""


class FolderStore:
    """The folder of what is installed.

    Args:
        folder: created when the first one is installed.

    Attributes:
        word: what is installed.
        own: how the one that comes with SeeAloud is called.
        mark: a file that every installed one has.
    """

    word: ClassVar[str]
    own: ClassVar[str]
    mark: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the names of what is installed."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(path.name for path in found if self.has(path.name))

    def has(self, name: str) -> bool:
        """Return whether one of that name is installed."""
        if not _NAME.fullmatch(name):
            return False
        try:
            require_regular(self.folder / name / self.mark)
        except OSError:
            return False
        return True

    def resolve(self, text: str) -> str | None:
        """Return the one name that begins with a text; None for the one that comes with SeeAloud.

        Raises:
            BundleError: there is none, or there are several.
        """
        if text == self.own:
            return None
        names = self.names()
        found = [text] if text in names else [name for name in names if name.startswith(text)]
        if not text or len(found) != 1:
            there = ", ".join([*(found or names), self.own])
            what = f"several installed {self.word}s" if found else f"no installed {self.word}"
            raise BundleError(f"{text!r} names {what}; choose one of: {there}")
        return found[0]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the folder for one change; removes what an interrupted one left.

        Raises:
            BundleError: another change is going on.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder / _FOLDER_LOCK, waits=False):
            for left in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
            yield

    def put(self, files: Mapping[str, bytes], name: str, attempt: Callable[[Path], None]) -> None:
        """Write files into a folder, try them there, and give the folder its name.

        Within ``changing``. If it fails, nothing stays.

        Args:
            files: contents by name.
            name: in the store; one of that name, with the same files or damaged ones, is replaced.
            attempt: is called with the folder; its errors reach the caller.

        Raises:
            OSError: the files cannot be written.
        """
        unfinished = self._new_folder()
        try:
            for file, data in files.items():
                write_durably(unfinished / file, data)
            attempt(unfinished)
            sync_folder(unfinished)
            if (self.folder / name).exists():
                (self.folder / name).rename(self._new_folder() / name)
            unfinished.rename(self.folder / name)
            sync_folder(self.folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def discard(self, name: str) -> None:
        """Remove one; within ``changing``.

        Raises:
            OSError: it cannot be removed.
        """
        removed = self._new_folder()
        (self.folder / name).rename(removed / name)
        shutil.rmtree(removed)

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))


@contextmanager
def locked(path: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock on a file, which is created.

    Raises:
        BundleError: somebody else holds it, and this one does not wait.
        OSError: it cannot be written.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    except BlockingIOError as exc:
        raise BundleError(f"{path.parent} is being changed: wait until that has ended") from exc
    finally:
        os.close(handle)
