"""What was changed at run time and must survive: volume, narration, privacy; one small JSON file.

Invariants: the file on the disk is always a whole one, the old or the new. Whatever stands in it,
the daemon starts: values that make no sense are put aside and reported, the others kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import from_json

from device.clock import Clock, SystemClock
from device.events import Event, Part, ProblemChanged
from device.part_health import PartHealth
from device.settings.schema import Settings

_LOGGER = logging.getLogger(__name__)
SCHEMA: Literal[1] = 1
# Key of the file by name of the value here; they have the same range.
OVERRIDES: Mapping[str, tuple[str, str]] = {
    "volume": ("speech", "volume"),
    "rate": ("speech", "rate"),
    "voice": ("speech", "voice"),
    "minimum_gap_s": ("narration", "minimum_gap_s"),
    "is_narrating": ("narration", "is_on"),
}


class RunState(BaseModel):
    """What was changed at run time; None is "as in the settings"."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA
    volume: float | None = None
    rate: float | None = None
    voice: str | None = None
    """Path of a Piper voice; empty for the built-in one."""
    minimum_gap_s: float | None = None
    is_narrating: bool | None = None
    is_muted: bool | None = None
    is_private: bool | None = None
    snoozed_until: AwareDatetime | None = None

    @field_validator("volume", "rate", "minimum_gap_s")
    @classmethod
    def _is_in_range(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.field_name is not None:
            table, key = OVERRIDES[info.field_name]
            group = type(getattr(Settings(), table))
            group.model_validate({key: value})
        return value


def _log_problem(event: Event) -> None:
    if isinstance(event, ProblemChanged):
        level = logging.WARNING if event.is_problem else logging.INFO
        _LOGGER.log(level, "%s", event.text)


class StateFile:
    """The file; used by one thread at a time.

    Args:
        path: of the file; its directory is made when it is needed.
        publish: takes a ``ProblemChanged`` when the state was lost or cannot be written, and one
            when it is written again; logs them by default.
        clock: for the times of these events; the machine's by default.
    """

    def __init__(
        self,
        path: Path,
        publish: Callable[[Event], None] = _log_problem,
        clock: Clock | None = None,
    ) -> None:
        self._path = path
        self._health = PartHealth(Part.STATE, publish, clock or SystemClock())
        self._stored: RunState | None = None

    def read(self) -> RunState:
        """Return the state; the defaults where there is none.

        A file that is broken, or has values out of range, is kept as ``.broken``, and one with
        what made sense in it takes its place: every reading returns the same.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return RunState()
        except OSError as exc:
            self._health.failed(f"{self._path} cannot be read: {exc.strerror}")
            return RunState()
        state, bad = _parsed(data)
        if bad:
            self._put_aside(bad)
            self.write(state)
        else:
            self._stored = state
        return state

    def write(self, state: RunState) -> None:
        """Keep the state; a state that is on the disk already is not written again.

        It never fails: what cannot be written is told of, and tried again with the next change.
        """
        if state == self._stored:
            return
        try:
            _write_atomically(self._path, state.model_dump_json(exclude_none=True).encode() + b"\n")
        except OSError as exc:
            self._health.failed(
                f"{self._path} cannot be written: {exc.strerror}; "
                "what is changed now will be forgotten at the next start"
            )
            return
        self._stored = state
        self._health.worked(f"{self._path} is written again")

    def _put_aside(self, bad: str) -> None:
        broken = self._path.with_name(f"{self._path.name}.broken")
        with contextlib.suppress(OSError):  # a read-only disk; the next write tells of it
            self._path.replace(broken)
        self._health.failed(f"{self._path}: {bad}; kept as {broken.name}, and started without it")


def peek(path: Path) -> RunState:
    """Return the state that a file holds, as far as it makes sense, and touch nothing."""
    try:
        return _parsed(path.read_bytes())[0]
    except OSError:
        return RunState()


def _parsed(data: bytes) -> tuple[RunState, str]:
    """Return what can be kept of a file's contents, and what is wrong with the rest."""
    try:
        values: Any = from_json(data)
    except ValueError:
        return RunState(), "it is cut off, or no JSON"
    try:
        if not isinstance(values, dict) or values.pop("schema_version", None) != SCHEMA:
            return RunState(), "it was not written by this version of SeeAloud"
        return RunState.model_validate(values), ""
    except ValidationError as exc:
        wrong = {str(details["loc"][0]) for details in exc.errors()}
        rest = {name: value for name, value in values.items() if name not in wrong}
        return RunState.model_validate(rest), f"{', '.join(sorted(wrong))} make no sense"


def _write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by another in one step, which a power cut does not tear.

    Raises:
        OSError: it was not possible; the old file is untouched.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # One name only, so that power cuts leave one such file at most.
    new = path.with_name(f".{path.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Have the new name on the disk, too."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
