"""What the page uses of the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.events import EventBus
from seealoud.device.history.entries import Entry
from seealoud.device.history.feedback import Feedback
from seealoud.device.history.reading import Selection, read_entries
from seealoud.device.pictures.questions import PictureQuestion
from seealoud.device.records import Frame, HistorySummary
from seealoud.device.requests import Value
from seealoud.device.triggers.trigger import Target

# An entry is written in some milliseconds; a disk that fails must not make a client wait.
_FLUSH_S = 1.0
NO_PICTURE = "there is no picture now: the camera gives none, or privacy is on"
NO_HISTORY = "there is no history: set is_on = true in [history]"


@dataclass(frozen=True, slots=True)
class PageSources:
    """Parts of the daemon; the callables may be called by any thread.

    Attributes:
        target: carries out requests.
        bus: carries the events that a page shows live.
        device_name: for people.
        state_of: returns the daemon's state, as the request ``status`` does.
        problems_of: returns what does not work now and what to do, a line for each part.
        frame_of: returns the newest frame; None without one, and while privacy is on.
        ask_picture: has a picture of a client described; see ``PictureQueue.ask``.
        feedback: keeps reports of wrong sentences.
        state: the state directory.
        places_of: returns the number of pictures of each taught place, by its name.
        voices_of: returns the paths of the voices by their names; the built-in one has an empty
            path.
        history: the file of the history; None where it is off.
        flush_history: returns when what has happened is in that file, or after this many seconds.
        summary_of: returns what happened in the last minutes; None without a history.
    """

    target: Target
    bus: EventBus
    device_name: str
    state_of: Callable[[], Mapping[str, Value]]
    problems_of: Callable[[], Sequence[str]]
    frame_of: Callable[[], Frame | None]
    places_of: Callable[[], Mapping[str, int]]
    ask_picture: Callable[[PictureQuestion], None]
    feedback: Feedback
    state: Path
    voices_of: Callable[[], Mapping[str, str]]
    history: Path | None = None
    flush_history: Callable[[float], bool] = lambda _: True
    summary_of: Callable[[float], HistorySummary] | None = None

    def entries(self, selection: Selection) -> list[Entry]:
        """Return entries of the history, the newest first; none where there is no history.

        Raises:
            HistoryError: it cannot be read.
        """
        if self.history is None:
            return []
        self.flush_history(_FLUSH_S)
        if not self.history.exists() or not self.history.stat().st_size:
            return []  # nothing was kept yet
        return [*read_entries(self.history, selection)][::-1]
