"""Frames between the thread that grabs them and those that use them; and frozen cameras.

Invariants: a live camera's next frame replaces one that nobody took, which is counted; a lossless
replay's frames queue up and none is lost; an old frame is never handed out.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
import numpy.typing as npt

from seealoud.device.clock import Clock
from seealoud.device.records import Frame

# A sensor in a dark room, or under a cap, may well give the same black again and again.
_LEAST_CONTRAST = 8


class Frames:
    """The newest frame, and those that nobody took yet; from any thread.

    Args:
        clock: the time of the frames.
        stale_after_s: a frame older than this is not handed out.
        is_lossless: whether frames wait instead of being replaced.

    Attributes:
        count: frames that were put in.
        drops: those that were replaced or grew too old before anybody took them.
    """

    def __init__(self, clock: Clock, stale_after_s: float, is_lossless: bool) -> None:
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._is_lossless = is_lossless
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._untaken: deque[Frame] = deque()
        self._is_wanted = False
        self._is_closed = False
        self.count = 0
        self.drops = 0

    # ------------------------------------------------------------ the thread that grabs

    def put(self, frame: Frame) -> None:
        """Put the next frame in; never blocks."""
        with self._changed:
            if not self._is_lossless:
                self._drop_untaken()
            self._newest = frame
            self._untaken.append(frame)
            # A thread that waits has its frame now; if it wants another, it sets this again.
            self._is_wanted = False
            self.count += 1
            self._changed.notify_all()

    def wait_until_wanted(self, timeout_s: float) -> bool:
        """Return whether somebody waits for a frame now, at most after a time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_wanted, timeout_s)

    def wait_until_taken(self, timeout_s: float) -> bool:
        """Return whether nothing is left to take, at most after a time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._untaken, timeout_s)

    def clear(self) -> None:
        """Forget every frame, as when the camera is released for privacy."""
        with self._changed:
            self._newest = None
            self._untaken.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Let everyone go who waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    # ------------------------------------------------------------ the threads that use frames

    @property
    def age_s(self) -> float | None:
        """Age of the newest frame in seconds; None without one."""
        with self._changed:
            newest = self._newest
        return None if newest is None else self._clock.now_s() - newest.captured_s

    def latest(self) -> Frame | None:
        """Return the newest frame, taken or not; None without one that is fresh."""
        with self._changed:
            newest = self._newest
        return None if newest is None or self._is_stale(newest) else newest

    def take(self, timeout_s: float) -> Frame | None:
        """Return a fresh frame that was not taken yet; None after the time, or when closed."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while (frame := self._next_fresh()) is None:
                if not self._wait(deadline_s):
                    return None
            self._changed.notify_all()
            return frame

    def wait_newer_than(self, captured_s: float, timeout_s: float) -> Frame | None:
        """Return a frame that was captured after a time, None when there is none in time.

        It counts as taken. Frames that came before it and were not taken stay where they are.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while (frame := self._newer_than(captured_s)) is None:
                if not self._wait(deadline_s):
                    return None
            # By identity: frames hold arrays, which do not compare to one truth value.
            self._untaken = deque(kept for kept in self._untaken if kept is not frame)
            self._changed.notify_all()
            return frame

    # ------------------------------------------------------------ with the lock held

    def _wait(self, deadline_s: float) -> bool:
        """Wait for a change; return whether it makes sense to look again."""
        rest_s = deadline_s - time.monotonic()
        if self._is_closed or rest_s <= 0:
            return False
        self._is_wanted = True
        self._changed.notify_all()
        self._changed.wait(rest_s)
        self._is_wanted = False
        return True

    def _next_fresh(self) -> Frame | None:
        while self._untaken:
            frame = self._untaken.popleft()
            if not self._is_stale(frame):
                return frame
            self.drops += 1
        return None

    def _newer_than(self, captured_s: float) -> Frame | None:
        newest = self._newest
        if newest is None or newest.captured_s <= captured_s or self._is_stale(newest):
            return None
        return newest

    def _drop_untaken(self) -> None:
        self.drops += len(self._untaken)
        self._untaken.clear()

    def _is_stale(self, frame: Frame) -> bool:
        # A lossless replay's clock runs on while its frames wait; they are as fresh as ever.
        if self._is_lossless:
            return False
        return self._clock.now_s() - frame.captured_s > self._stale_after_s


class FrozenWatch:
    """Distinguishes a frozen camera from a quiet scene: a sensor always has noise.

    Args:
        frozen_after_s: frames that are the very same for so long are frozen; 0 never are.

    Attributes:
        is_frozen: whether the last frame was; only one that differs ends it.
    """

    def __init__(self, frozen_after_s: float) -> None:
        self._frozen_after_s = frozen_after_s
        self._image_hwc: npt.NDArray[np.uint8] | None = None
        self._since_s = 0.0
        self.is_frozen = False

    def look(self, image_hwc: npt.NDArray[np.uint8], now_s: float) -> bool:
        """Return whether the camera is frozen, now that it gave this frame."""
        last_hwc = self._image_hwc
        if last_hwc is None or not np.array_equal(last_hwc, image_hwc):
            self._image_hwc = image_hwc
            self._since_s = now_s
            self.is_frozen = False
        elif self._frozen_after_s > 0 and not self.is_frozen:
            lasted_s = now_s - self._since_s
            self.is_frozen = lasted_s >= self._frozen_after_s and _has_contrast(image_hwc)
        return self.is_frozen

    def forget(self) -> None:
        """Begin anew, as after privacy: nothing of the pictures is kept."""
        self._image_hwc = None
        self.is_frozen = False


def _has_contrast(image_hwc: npt.NDArray[np.uint8]) -> bool:
    return int(image_hwc.max()) - int(image_hwc.min()) >= _LEAST_CONTRAST
