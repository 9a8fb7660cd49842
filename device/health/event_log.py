"""Writes events into the log: changes of state at INFO, every frame's decision at DEBUG.

Invariant: no caption and no spoken text is logged above DEBUG. The history has these, with a
retention and a command to erase them; a journal has neither.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.events import (
    Alerted,
    Answered,
    Decided,
    DecisionReason,
    Event,
    InViewChanged,
    PlaceAnswered,
    PlaceChanged,
    ProblemChanged,
    Requested,
    SettingChanged,
    SpeechOutcome,
    Spoke,
    SummedUp,
)
from seealoud.device.health.log import FIELDS
from seealoud.device.pictures.questions import PictureAnswered
from seealoud.device.records import Caption

_LOGGER = logging.getLogger(__name__)
# Nothing is new, by the first, second or third stage; noise alternates between them.
_NOTHING_NEW = (
    DecisionReason.PICTURE_SAME,
    DecisionReason.FEATURES_SAME,
    DecisionReason.TEXT_SAME,
)


class EventLog:
    """A ``seealoud.device.events.Listener``."""

    def __init__(self) -> None:
        self._last_reason: DecisionReason | None = None
        self._frames = 0

    def accept(self, event: Event) -> None:
        """Log an event."""
        match event:
            case Requested():
                _requested(event)
            case Answered() | PlaceAnswered() | PictureAnswered():
                _answered(event)
            case SummedUp():
                _summed_up(event)
            case Decided():
                self._decided(event)
            case Alerted():
                _write(logging.INFO, event, f"alert: {event.rule}", rule=event.rule)
                _write(logging.DEBUG, event, f"alert: {event.text}", text=event.text)
            case InViewChanged() | PlaceChanged() | UpdateChanged():
                _viewed(event)
            case Spoke():
                _spoke(event)
            case ProblemChanged():
                level = logging.WARNING if event.is_problem else logging.INFO
                _write(level, event, f"{event.part}: {event.text}", part=event.part.value)
            case SettingChanged(name=name, value=value, cause=cause):
                line = f"{name} is now {value}, set by {cause}"
                _write(logging.INFO, event, line, name=name, value=value, cause=cause.value)

    def _decided(self, event: Decided) -> None:
        last = self._last_reason
        self._last_reason = event.reason
        is_change = event.reason != last and not (
            event.reason in _NOTHING_NEW and last in _NOTHING_NEW
        )
        frames = self._frames
        self._frames = 0 if is_change else frames + 1
        before = f" (after {frames} frames of {last})" if is_change and last and frames else ""
        _write(
            logging.INFO if is_change else logging.DEBUG,
            event,
            f"narration {'speaks' if event.is_spoken else 'is silent'}: {event.reason}{before}",
            reason=event.reason.value,
            is_spoken=event.is_spoken,
            probability=event.probability,
            frame_age_s=event.frame_age_s,
            things=len(event.things) or None,
            **_timings(event.caption),
        )
        if event.detail or event.text:
            line = f"narration: {event.reason}: {event.detail} {event.text}".rstrip()
            _write(logging.DEBUG, event, line, detail=event.detail, text=event.text)


def _viewed(event: InViewChanged | PlaceChanged | UpdateChanged) -> None:
    if isinstance(event, UpdateChanged):
        line = f"bundle {event.installed} is in use, the newest known is {event.latest or 'none'}"
        level = logging.INFO if event.percentage is None else logging.DEBUG  # one for each percent
        _write(level, event, f"{line}: {event.problem}" if event.problem else line)
        return
    if isinstance(event, PlaceChanged):
        line = f"place: {event.place or 'none'}, known: {', '.join(event.known) or 'none'}"
        _write(logging.DEBUG, event, line, names=list(event.known))
        return
    names = [rule for rule, is_in_view in event.rules.items() if is_in_view]
    line = f"in view: {', '.join(names) or 'none of the rules'}"
    _write(logging.DEBUG, event, line, names=names)


def _requested(event: Requested) -> None:
    values = {"action": event.action, "cause": event.cause.value, "id": event.id}
    if event.is_accepted:
        _write(logging.INFO, event, f"{event.cause}: {event.action}", **values)
    else:
        line = f"{event.cause}: {event.action} was refused: {event.reason}"
        _write(logging.WARNING, event, line, reason=event.reason, **values)


def _answered(event: Answered | PlaceAnswered | PictureAnswered) -> None:
    if isinstance(event, PictureAnswered):
        _picture_answered(event)
        return
    line = f"answered {event.cause}"
    if isinstance(event, PlaceAnswered):
        _write(logging.INFO, event, f"{line}: a place", cause=event.cause.value, id=event.id)
        _write(logging.DEBUG, event, f"answer: {event.text}", text=event.text)
        return
    if event.reason:
        line += f": {event.reason}"
    if event.caption is not None:
        line += f" in {event.caption.timings.total_ms:.0f} ms"
    _write(
        logging.INFO,
        event,
        line,
        cause=event.cause.value,
        reason=event.reason,
        probability=event.probability,
        frame_age_s=event.frame_age_s,
        things=len(event.things) or None,
        id=event.id,
        **_timings(event.caption),
    )
    names = [thing.name for thing in event.things]
    named = f" (things: {', '.join(names)})" if names else ""
    _write(logging.DEBUG, event, f"answer: {event.text}{named}", text=event.text, names=names)


def _picture_answered(event: PictureAnswered) -> None:
    found, cause = event.description, event.cause
    line = f"described a picture sent by {cause}" + (f": {found.reason}" if found.reason else "")
    values = {"cause": cause.value, "reason": found.reason, "id": event.id}
    _write(logging.INFO, event, line, **values, **_timings(found.caption))
    _write(logging.DEBUG, event, f"answer: {found.text}", text=found.text)


def _summed_up(event: SummedUp) -> None:
    summary, cause = event.summary, event.cause
    line = f"answered {cause}: a summary of {summary.total} captions, alerts and problems"
    _write(logging.INFO, event, line, cause=cause.value, total=summary.total, id=event.id)
    _write(logging.DEBUG, event, f"summary: {summary.text}", text=summary.text)


def _spoke(event: Spoke) -> None:
    utterance = event.utterance
    is_failure = event.outcome is SpeechOutcome.FAILED
    _write(
        logging.WARNING if is_failure else logging.DEBUG,
        event,
        f"speech for {utterance.cause}: {event.outcome} {event.detail}".rstrip(),
        cause=utterance.cause.value,
        priority=utterance.priority.name.lower(),
        outcome=event.outcome.value,
        first_sample_s=event.first_sample_s,
        id=utterance.id,
    )


def _timings(caption: Caption | None) -> dict[str, Any]:
    if caption is None:
        return {}
    timings = caption.timings
    return {
        "preprocess_ms": round(timings.preprocess_ms, 1),
        "encoder_ms": round(timings.encoder_ms, 1),
        "decoder_ms": round(timings.decoder_ms, 1),
    }


def _write(level: int, event: Event, line: str, **values: Any) -> None:
    """Log a line with its values, without the empty ones."""
    if not _LOGGER.isEnabledFor(level):
        return
    known: Mapping[str, Any] = {
        name: value for name, value in values.items() if value not in (None, "", [])
    }
    fields = {"event": type(event).__name__, "at": event.at.isoformat(), **known}
    _LOGGER.log(level, "%s", line, extra={FIELDS: fields})
