"""Subtitle files: SubRip (.srt) and WebVTT (.vtt); pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MS = 1000
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Cue:
    """A text that is shown for a time.

    Attributes:
        start_s: when it appears, in seconds from the beginning of the film.
        end_s: when it disappears.
        text: one line, not empty.
    """

    start_s: float
    end_s: float
    text: str


def srt_text(cues: Iterable[Cue]) -> str:
    """Return the contents of a SubRip file."""
    return "\n".join(
        f"{number}\n{_time(cue.start_s, ',')} --> {_time(cue.end_s, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt_text(cues: Iterable[Cue]) -> str:
    """Return the contents of a WebVTT file."""
    blocks = [
        f"{_time(cue.start_s, '.')} --> {_time(cue.end_s, '.')}\n"
        f"{cue.text.translate(_VTT_ESCAPES)}\n"
        for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _time(moment_s: float, mark: str) -> str:
    """Return a time as in 01:02:03,456."""
    seconds, milliseconds = divmod(round(moment_s * _MS), _MS)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"
