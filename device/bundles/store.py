"""The installed bundles of a device, and which of them is in use.

Invariant: the choice is one small file that is replaced atomically, and a folder with a bundle's
name is whole. So a power cut at any moment leaves a whole bundle in use; the one that ships is
always there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from seealoud.device.bundles.folder_store import FolderStore, InstalledName, locked
from seealoud.device.errors import BundleError
from seealoud.device.files import read_regular, write_atomically
from seealoud.device.vision.bundle import find_bundle, load_bundle, named_bundle
from seealoud.device.vision.manifest import MANIFEST

_LOGGER = logging.getLogger(__name__)
SHIPPED = "shipped"
_CHOICE_FILE = "choice.json"
_CHOICE_LOCK = ".choice.lock"


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


class BundleStore(FolderStore):
    """The folder of installed bundles, and which of them is in use."""

    word = "bundle"
    own = SHIPPED
    mark = MANIFEST

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

    # ------------------------------------------------------------ changing

    def update(self, change: Callable[[BundleChoice], BundleChoice]) -> BundleChoice:
        """Replace the choice by what a function makes of it, and return that.

        Raises:
            OSError: it cannot be written; the old one stays.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder / _CHOICE_LOCK, waits=True):
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
                    raise BundleError(f"{name} is needed until {old.current} is confirmed")
                return old.model_copy(update={"previous": None}) if name == old.previous else old

            self.update(forget)
            self.discard(name)
