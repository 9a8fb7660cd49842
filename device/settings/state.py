"""Changes made at run time (volume, narration, privacy …), saved in one small JSON file.

Invariants: the file on disk is always complete, either the old or the new version. The daemon
starts whatever it contains: invalid values are set aside and reported, the others are kept.
"""

from __future__ import annotations

import contextlib
import logging
import time
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

from seealoud.device.clock import Clock, SystemClock
from seealoud.device.events import Event, Part, ProblemChanged
from seealoud.device.files import read_regular, write_atomically
from seealoud.device.part_health import Backoff, PartHealth
from seealoud.device.settings.schema import Settings
from seealoud.device.settings_base import PathText

_LOGGER = logging.getLogger(__name__)
SCHEMA: Literal[1] = 1
_FIRST_RETRY_S = 5.0
_LONGEST_RETRY_S = 60.0
# The key of the settings file that each value overrides; it has the same range.
OVERRIDES: Mapping[str, tuple[str, str]] = {
    "volume": ("speech", "volume"),
    "rate": ("speech", "rate"),
    "voice": ("speech", "voice"),
    "minimum_gap_s": ("narration", "minimum_gap_s"),
    "is_narrating": ("narration", "is_on"),
}


class RunState(BaseModel):
    """The changes made at run time; None means "as in the settings"."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA
    volume: float | None = None
    rate: float | None = None
    voice: PathText | None = None
    """Path of a Piper voice; empty for the built-in one."""
    minimum_gap_s: float | None = None
    is_narrating: bool | None = None
    is_alerting: bool | None = None
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
    """The state file; used by one thread at a time.

    Args:
        path: path of the file; its directory is created when it is needed.
        publish: called with a ``ProblemChanged`` when the state was lost or cannot be saved, and
            once more when it can be saved again; it writes to the log by default.
        clock: for the times of these events; the machine's by default.
        now_s: monotonic seconds, for the next attempt to save.
    """

    def __init__(
        self,
        path: Path,
        publish: Callable[[Event], None] = _log_problem,
        clock: Clock | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        backoff = Backoff(_FIRST_RETRY_S, _LONGEST_RETRY_S, now_s)
        self._health = PartHealth(Part.STATE, publish, clock or SystemClock(), backoff)
        self._stored: RunState | None = None
        self._unsaved: RunState | None = None

    def read(self) -> RunState:
        """Return the state; the defaults if there is no file.

        A file with invalid contents is renamed to ``.broken`` and replaced by a file with its
        valid values, so that the next read returns the same.
        """
        try:
            data = read_regular(self._path)
        except FileNotFoundError:
            return RunState()
        except OSError as exc:
            self._health.failed(f"{self._path} cannot be read: {exc.strerror}")
            return RunState()
        state, bad = _parsed(data)
        if bad:
            self._set_aside(bad)
            self.write(state)
        else:
            self._stored = state
        return state

    def write(self, state: RunState) -> None:
        """Save the state, unless the file already contains it.

        It never raises: a failure is reported, and tried again by ``retry_where_due``.
        """
        if state == self._stored and self._unsaved is None:
            return
        self._unsaved = state
        try:
            write_atomically(self._path, state.model_dump_json(exclude_none=True).encode() + b"\n")
        except OSError as exc:
            self._health.failed(
                f"{self._path} cannot be written: {exc.strerror}; "
                "changes made now will be lost at the next start unless they can be saved later"
            )
            return
        self._stored = state
        self._unsaved = None
        self._health.worked(f"{self._path} can be written again")

    def retry_where_due(self) -> None:
        """Save a state that could not be saved before, at growing intervals; call it often."""
        if self._unsaved is not None and not self._health.is_resting:
            self.write(self._unsaved)

    def close(self) -> None:
        """Try a last time to save a state that could not be saved before."""
        if self._unsaved is not None:
            self.write(self._unsaved)

    def _set_aside(self, bad: str) -> None:
        broken = self._path.with_name(f"{self._path.name}.broken")
        with contextlib.suppress(OSError):  # a read-only disk; the next write reports it
            self._path.replace(broken)
        self._health.failed(f"{self._path}: {bad}; the old file is now {broken.name}")


def peek(path: Path) -> RunState:
    """Return the valid values of a state file, without changing the file."""
    try:
        return _parsed(read_regular(path))[0]
    except OSError:
        return RunState()


def _parsed(data: bytes) -> tuple[RunState, str]:
    """Return the valid values in a file's contents, and what is wrong with the others."""
    try:
        values: Any = from_json(data)
    except ValueError:
        return RunState(), "it is truncated or not JSON"
    try:
        if not isinstance(values, dict) or values.pop("schema_version", None) != SCHEMA:
            return RunState(), "it was not written by this version of SeeAloud"
        return RunState.model_validate(values), ""
    except ValidationError as exc:
        wrong = {str(details["loc"][0]) for details in exc.errors()}
        rest = {name: value for name, value in values.items() if name not in wrong}
        return RunState.model_validate(rest), f"invalid values: {', '.join(sorted(wrong))}"
