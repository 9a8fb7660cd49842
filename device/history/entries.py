"""One entry of the history, and which events become one.

Kept are answers, what narration said, alerts, and parts that failed or recovered. A caption that
narration made and did not speak is kept where a person may ask for it later: it differs from the
one before, and narration was off, snoozed, in quiet hours or within the minimum gap; at most one
every ``UNSPOKEN_GAP_S``, because the picture changes many times a second.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from seealoud.device.events import Alerted, Answered, Decided, DecisionReason, Event, ProblemChanged
from seealoud.device.history.database import checked_text
from seealoud.device.history.schema import NO_THINGS
from seealoud.device.history.settings import UNSPOKEN_GAP_S
from seealoud.device.history.time_parsing import rfc3339, stored_time, to_us
from seealoud.device.records import Cause, Side, Thing, ThingSource

_WORTH_KEEPING = frozenset(
    {
        DecisionReason.NARRATION_OFF,
        DecisionReason.SNOOZED,
        DecisionReason.QUIET_HOURS,
        DecisionReason.TOO_SOON,
    }
)


class Kind(StrEnum):
    """What an entry records."""

    DESCRIBED = "described"
    """An answer, also that nothing could be said of the picture."""
    NARRATED = "narrated"
    """Spoken without a request."""
    UNSPOKEN = "unspoken"
    """Captioned, and not spoken."""
    ALERT = "alert"
    """A keyword rule fired."""
    PROBLEM = "problem"
    """A part failed."""
    RECOVERY = "recovery"
    """It works again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the history.

    Attributes:
        id: a random UUID (version 4).
        at: aware UTC time of the event, to the microsecond.
        kind: what it records.
        text: what was spoken, or would have been.
        caption: the captioner's words; empty where there are none.
        probability: that the caption is right, 0..1; None where unknown.
        cause: through what it was asked for, as in ``device.records.Cause``; empty for problems.
        reason: why it was spoken or not, the rule of the alert, or the part that has the problem.
        frame_age_s: age of the frame in seconds; None without a frame.
        bundle: name of the bundle that made the caption; empty without one.
        things: what was named beside the caption or instead of it, the surest first.
    """

    id: str
    at: datetime
    kind: Kind
    text: str
    caption: str = ""
    probability: float | None = None
    cause: str = ""
    reason: str = ""
    frame_age_s: float | None = None
    bundle: str = ""
    things: tuple[Thing, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry for JSON, the time as RFC 3339 in UTC."""
        values = {x: getattr(self, x) for x in FIELDS}
        return {**values, "at": rfc3339(self.at), "things": [_thing_json(x) for x in self.things]}

    def to_row(self) -> tuple[Any, ...]:
        """Return the values of ``COLUMNS``."""
        values = {**self.to_json(), "at": to_us(self.at), "kind": self.kind.value}
        values["things"] = json.dumps(values["things"], ensure_ascii=False, separators=(",", ":"))
        return tuple(values[x] for x in FIELDS)

    @staticmethod
    def from_row(row: tuple[Any, ...]) -> Entry:
        """Return the entry of the values of ``COLUMNS``.

        Raises:
            ValueError: a value cannot have been written by this program.
        """
        values = dict(zip(FIELDS, row, strict=True))
        for name in _TEXTS:
            checked_text(name, values[name], _MAX_TEXT_CHARS)
        for name in ("probability", "frame_age_s"):
            if not isinstance(values[name], int | float | None):
                raise ValueError(f"{name} is not a number")  # noqa: TRY004 - one kind for all damage
        values["at"] = stored_time(values["at"])
        values["kind"] = Kind(values["kind"])
        try:
            values["things"] = _things_of(values["things"])
        except (LookupError, TypeError, ValueError, RecursionError) as exc:
            raise ValueError("things are not those of an entry") from exc
        return Entry(**values)


# A new one goes to the end: spreadsheets that people have made of the CSV count its columns.
FIELDS = (
    "at", "kind", "text", "caption", "probability", "cause", "reason", "frame_age_s", "bundle",
    "id", "things",
)  # fmt: skip
_TEXTS = ("id", "kind", "text", "caption", "cause", "reason", "bundle", "things")
_MAX_TEXT_CHARS = 100_000
COLUMNS = ", ".join("at_us" if x == "at" else x for x in FIELDS)


def readable_entries(
    rows: Iterable[tuple[Any, ...]],
) -> tuple[list[Entry], dict[int, str]]:
    """Return the entries of rows, and why the others cannot be read.

    Args:
        rows: the values of ``COLUMNS`` and ``seq``.

    Returns:
        The entries, and the reasons by ``seq``.
    """
    entries, damaged = [], {}
    for *row, seq in rows:
        try:
            entries.append(Entry.from_row(tuple(row)))
        except ValueError as exc:
            damaged[int(seq)] = str(exc)
    return entries, damaged


def _things_of(text: str) -> tuple[Thing, ...]:
    """Return the things of their column."""
    if text == NO_THINGS:  # as most entries have
        return ()
    return tuple(
        Thing(
            checked_text("name", one["name"], _MAX_TEXT_CHARS),
            float(one["probability"]),
            None if one["side"] is None else Side(one["side"]),
            ThingSource(one["from"]),
            one["several"],
            one["sure"],
        )
        for one in json.loads(text)
    )


def _thing_json(thing: Thing) -> dict[str, Any]:
    """Return a thing with the keys that it has on MQTT."""
    return {
        "name": thing.name,
        "probability": round(thing.probability, 4),
        "side": None if thing.side is None else thing.side.value,
        "from": thing.source.value,
        "several": thing.is_several,
        "sure": thing.is_sure,
    }


class EntryFilter:
    """Turns events into entries; remembers only what it kept last."""

    def __init__(self) -> None:
        self._last_caption = ""
        self._unspoken_s = float("-inf")

    def entry_of(self, event: Event, now_s: float) -> Entry | None:
        """Return the entry to keep of an event; None for most.

        Args:
            event: anything that happened.
            now_s: monotonic seconds.
        """
        match event:
            case Answered():
                self._last_caption = event.caption.text if event.caption else ""
                return self._entry(event, Kind.DESCRIBED, cause=event.cause, reason=event.reason)
            case Decided():
                return self._decided(event, now_s)
            case Alerted():
                return self._entry(event, Kind.ALERT, cause=Cause.NARRATION, reason=event.rule)
            case ProblemChanged():
                kind = Kind.PROBLEM if event.is_problem else Kind.RECOVERY
                return self._entry(event, kind, reason=event.part)
            case _:
                return None

    def _decided(self, event: Decided, now_s: float) -> Entry | None:
        caption = event.caption.text if event.caption else ""
        if not event.is_spoken:
            is_new = caption not in ("", self._last_caption)
            is_rare = now_s - self._unspoken_s >= UNSPOKEN_GAP_S
            if event.reason not in _WORTH_KEEPING or not is_new or not is_rare:
                return None
            self._unspoken_s = now_s
        self._last_caption = caption
        kind = Kind.NARRATED if event.is_spoken else Kind.UNSPOKEN
        return self._entry(event, kind, cause=Cause.NARRATION, reason=event.reason)

    def _entry(
        self,
        event: Answered | Decided | Alerted | ProblemChanged,
        kind: Kind,
        cause: str = "",
        reason: str = "",
    ) -> Entry:
        caption = None if isinstance(event, ProblemChanged) else event.caption
        judged = event if isinstance(event, Answered | Decided) else None
        return Entry(
            id=str(uuid.uuid4()),
            at=event.at,
            kind=kind,
            text=event.text,
            caption=caption.text if caption else "",
            probability=judged.probability if judged else None,
            cause=str(cause),
            reason=str(reason),
            frame_age_s=judged.frame_age_s if judged else None,
            bundle=caption.bundle if caption else "",
            things=() if isinstance(event, ProblemChanged) else event.things,
        )
