"""Pictures that cannot be captioned: told once when that lasts, looked at again, never captioned.

Rules:
    - A fault is told when the same one has lasted for a few frames and seconds, and once only
      until a usable picture comes.
    - While it lasts and the picture rests, it is looked at once in a while, not at every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from device.narrator import change
from device.narrator.change import Thumbnail
from device.narrator.settings import NarrationSettings

# A hand before the lens or a lamp being switched passes; words about it would be late and wrong.
_LASTS_S = 3.0
_LOOK_AGAIN_S = 1.0


@dataclass(slots=True)
class _Fault:
    text: str
    reason: str
    since_s: float
    seen_hw: Thumbnail | None
    looked_s: float
    frames: int = 0


class Trouble:
    """The fault of the pictures that come now, if they have one."""

    def __init__(self) -> None:
        self._fault: _Fault | None = None
        self._is_told = False

    @property
    def text(self) -> str:
        """What is said of the present fault; empty without one."""
        return "" if self._fault is None else self._fault.text

    def end(self) -> None:
        """Note that a usable picture came."""
        self._fault, self._is_told = None, False

    def note(self, text: str, seen_hw: Thumbnail | None, now_s: float, reason: str = "") -> None:
        """Note a fault that was found just now, by its reason or else the words that say it.

        Words that name things change from frame to frame while the fault lasts.
        """
        reason = reason or text
        if self._fault is None or self._fault.reason != reason:
            self._fault = _Fault(text, reason, now_s, seen_hw, now_s)
        self._fault.text = text
        self._fault.frames += 1
        self._fault.seen_hw, self._fault.looked_s = seen_hw, now_s

    def is_to_be_told(self, settings: NarrationSettings, now_s: float) -> bool:
        """Return whether the fault has lasted and was not told."""
        fault = self._fault
        if fault is None or self._is_told or fault.frames < settings.stable_frames:
            return False
        return now_s - fault.since_s >= max(_LASTS_S, settings.stable_s)

    def note_told(self) -> None:
        """Note that it was told."""
        self._is_told = True

    def is_known(self, thumbnail_hw: Thumbnail, smallest_change: float, now_s: float) -> bool:
        """Return whether the picture was found useless a moment ago and has not changed since."""
        fault = self._fault
        if fault is None or fault.seen_hw is None or now_s - fault.looked_s >= _LOOK_AGAIN_S:
            return False
        return change.picture_change(fault.seen_hw, thumbnail_hw) < smallest_change
