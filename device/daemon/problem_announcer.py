"""Which parts are away now; says so once, and once more when they are back.

Invariant: silence is never ambiguous. What stops narration is spoken, in words without paths or
commands; the log and MQTT have the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from device.events import Event, Part, ProblemChanged
from device.records import Cause, Priority, Utterance

# None: nothing that a voice should say, or could.
_SPOKEN: Mapping[Part, tuple[str, str] | None] = {
    Part.CAMERA: ("The camera is gone.", "The camera is back."),
    Part.BROKER: ("The connection to your home is lost.", "The connection to your home is back."),
    Part.BUNDLE: ("The new model cannot be used. I keep the old one.", "The new model is in use."),
    Part.BUTTON: ("The button does not work.", "The button works again."),
    Part.KEYS: ("The keys do not work.", "The keys work again."),
    Part.SOCKET: ("Commands from this device do not reach me.", "Commands reach me again."),
    Part.SIGNALS: ("Signals from the system do not reach me.", "Signals reach me again."),
    Part.DISK: ("The disk is full. I forget what I see.", "The disk has room again."),
    Part.STATE: ("Your last settings could not be kept.", "Your settings are kept again."),
    Part.SOUND: None,
    Part.VOICE: None,
}


class ProblemAnnouncer:
    """A ``device.events.Listener`` that keeps the open problems.

    Args:
        announce: has words said.
        now_s: the clock's monotonic seconds.
    """

    def __init__(self, announce: Callable[[Utterance], None], now_s: Callable[[], float]) -> None:
        self._announce, self._now_s = announce, now_s
        self._lock = threading.Lock()
        self._open: dict[Part, str] = {}

    @property
    def open(self) -> dict[Part, str]:
        """What is wrong now: one line for each part."""
        with self._lock:
            return dict(self._open)

    def accept(self, event: Event) -> None:
        """Take note of a problem or its end, and have it said if that is news."""
        if not isinstance(event, ProblemChanged):
            return
        with self._lock:
            is_news = event.is_problem != (event.part in self._open)
            if event.is_problem:
                self._open[event.part] = event.text
            else:
                self._open.pop(event.part, None)
        words = _SPOKEN[event.part]
        if is_news and words is not None:
            text = words[0 if event.is_problem else 1]
            self._announce(Utterance(text, Priority.ALERT, Cause.STARTUP, self._now_s()))

    def spoken_summary(self) -> str:
        """Return the answer to "how are you"."""
        lost = [words[0] for part in self.open if (words := _SPOKEN[part]) is not None]
        return " ".join(lost) if lost else "All is well."
