"""The installed bundles of a device, and which of them is in use.

Invariants: a folder with a bundle's name is whole, because it is renamed into place only when its
files are on the disk. The choice is one small file that is replaced atomically. So a power cut at
any moment leaves a whole bundle in use; the one that ships is always there.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seealoud.device.atomic_file import sync_folder, write_atomically
from seealoud.device.errors import BundleError
from seealoud.device.regular_file import read_regular
from seealoud.device.vision.bundle import find_bundle, load_bundle, named_bundle
from seealoud.device.vision.manifest import MANIFEST

_LOGGER = logging.getLogger(__name__)
SHIPPED = "shipped"
LONGEST_NAME = 200
_CHOICE_FILE = "choice.json"
_CHOICE_LOCK = ".choice.lock"
_FOLDER_LOCK = ".folder.lock"
_UNFINISHED = ".unfinished-"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*-[0-9a-f]{12}")
InstalledName = Annotated[str, Field(pattern=f"^{_NAME.pattern}$", max_length=LONGEST_NAME)]


class TrialStage(StrEnum):
    """How far the trial of a bundle has come."""

    WAITING = "waiting"
    """No daemon has begun to use it."""
    BEGUN = "begun"
    """A daemon has begun to use it, and has not confirmed it yet."""


class BundleChoice(BaseModel):
    """Which bundle is in use; None is the one that ships.

    Attributes:
        current: the bundle in use.
        previous: the one before it, to which a failed trial goes back.
        trial: None where ``current`` is confirmed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    current: InstalledName | None = None
    previous: InstalledName | None = None
    trial: TrialStage | None = None


class BundleStore:
    """The folder of installed bundles; several processes may use it at once.

    Args:
        folder: created when the first bundle is installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # ------------------------------------------------------------ reading

    def choice(self) -> BundleChoice:
        """Return which bundle is in use; an unreadable choice is the one that ships."""
        path = self.folder / _CHOICE_FILE
        try:
            return BundleChoice.model_validate_json(read_regular(path))
        except FileNotFoundError:
            pass
        except (OSError, ValidationError) as exc:
            reason = getattr(exc, "strerror", None) or "its contents are wrong"
            _LOGGER.warning("%s: %s; the shipped bundle is used", path, reason)
        return BundleChoice()

    def names(self) -> list[str]:
        """Return the names of the installed bundles."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(path.name for path in found if self.has(path.name))

    def has(self, name: str) -> bool:
        """Return whether a bundle of that name is installed."""
        return bool(_NAME.fullmatch(name)) and os.path.isfile(self.folder / name / MANIFEST)

    def path(self, name: str | None) -> Path:
        """Return the folder of a bundle; None is the one that ships.

        Raises:
            BundleError: the one that ships is missing.
        """
        return find_bundle() if name is None else self.folder / name

    def find(self, configured: str | None) -> Path:
        """Return the folder that the daemon would use now; nothing is changed.

        Args:
            configured: the setting ``captioner.bundle``, which comes first.

        Raises:
            BundleError: there is no such bundle.
        """
        if (named := named_bundle(configured)) is not None:
            return find_bundle(named)
        current = self.choice().current
        return self.path(current if current and self.has(current) else None)

    def resolve(self, text: str) -> str | None:
        """Return the name of the one bundle whose name begins with a text; None for "shipped".

        Raises:
            BundleError: there is none, or there are several.
        """
        if text == SHIPPED:
            return None
        names = self.names()
        found = [text] if text in names else [name for name in names if name.startswith(text)]
        if not text or len(found) != 1:
            there = ", ".join([*(found or names), SHIPPED])
            raise BundleError(f"{text!r} names {len(found)} installed bundles; choose of: {there}")
        return found[0]

    # ------------------------------------------------------------ changing

    def update(self, change: Callable[[BundleChoice], BundleChoice]) -> BundleChoice:
        """Replace the choice by what a function makes of it, and return that.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.folder / _CHOICE_LOCK, waits=True):
            old = self.choice()
            new = change(old)
            if new != old:
                write_atomically(self.folder / _CHOICE_FILE, new.model_dump_json().encode() + b"\n")
            return new

    def use(self, name: str | None) -> None:
        """Choose a bundle; the daemon tries it when it starts or reloads.

        Raises:
            BundleError: it is damaged.
            OSError: the choice cannot be written.
        """
        if name is not None:
            load_bundle(self.path(name))

        def chosen(old: BundleChoice) -> BundleChoice:
            # A bundle on trial is not what a failed trial of another one should go back to.
            before = old.previous if old.trial else old.current
            trial = None if name is None else TrialStage.WAITING
            same = name == old.current and not old.trial
            return (
                old
                if same
                else BundleChoice(
                    current=name, previous=before if before != name else None, trial=trial
                )
            )

        self.update(chosen)

    def go_back(self, why_not: str | None = None) -> BundleChoice:
        """Choose the previous bundle, or the one that ships where it is missing; return the choice.

        Args:
            why_not: the bundle that must not be chosen any more; None means the current one.

        Raises:
            OSError: the choice cannot be written.
        """
        return self.update(
            lambda old: self.without_current(old) if why_not in (None, old.current) else old
        )

    def without_current(self, choice: BundleChoice) -> BundleChoice:
        """Return a choice after going back; nothing is written."""
        before = choice.previous
        return BundleChoice(current=before if before and self.has(before) else None)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the folder for one change of its bundles; removes what an interrupted one left.

        Raises:
            BundleError: another change is going on.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.folder / _FOLDER_LOCK, waits=False):
            for left in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
            yield

    def new_folder(self) -> Path:
        """Return an empty folder for a bundle that is being written; within ``changing``."""
        return Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))

    def put(self, unfinished: Path, name: str) -> None:
        """Give a folder whose files are on the disk its name; within ``changing``.

        Raises:
            OSError: it failed.
        """
        sync_folder(unfinished)
        if (self.folder / name).exists():  # a damaged one, otherwise there was nothing to put
            (self.folder / name).rename(self.new_folder() / name)
        unfinished.rename(self.folder / name)
        sync_folder(self.folder)

    def remove(self, name: str) -> None:
        """Remove a bundle that is not in use.

        Raises:
            BundleError: it is in use, or may be needed to go back.
            OSError: it cannot be removed.
        """
        with self.changing():

            def forget(old: BundleChoice) -> BundleChoice:
                if name == old.current:
                    raise BundleError(f"{name} is in use: choose another with seealoud bundle use")
                if name == old.previous and old.trial:
                    raise BundleError(f"{name} is needed until {old.current} has proved itself")
                return old.model_copy(update={"previous": None}) if name == old.previous else old

            self.update(forget)
            removed = self.new_folder()
            (self.folder / name).rename(removed / name)
            shutil.rmtree(removed)


@contextmanager
def _locked(path: Path, *, waits: bool) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    except BlockingIOError as exc:
        raise BundleError(f"{path.parent} is being changed: wait until that has ended") from exc
    finally:
        os.close(handle)
