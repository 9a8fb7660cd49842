"""Keeps one camera open and its newest frame available; opens it again when it was lost.

Invariants: a loss is reported once, and the recovery once; while the camera is closed for privacy,
the device is really released and no frame of it is kept; nothing here waits longer than half a
second once ``wake`` or ``close`` was called.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from seealoud.device.camera.camera import WARM_UP_FRAMES, Camera
from seealoud.device.camera.frames import Frames, FrozenWatch
from seealoud.device.camera.settings import CameraSettings
from seealoud.device.clock import Clock
from seealoud.device.errors import CameraError, EndOfReplay, FrozenCameraError
from seealoud.device.events import EventBus, Part
from seealoud.device.part_health import Backoff, PartHealth
from seealoud.device.records import Frame

_LOGGER = logging.getLogger(__name__)
_STEP_WAIT_S = 0.5
_LONGEST_WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class GrabberTimes:
    """How long a camera may take; no user has to change these."""

    warm_up_frames: int = WARM_UP_FRAMES
    """Frames that are discarded after opening."""
    stale_after_s: float = 2.0
    """A frame older than this is never described: a press asks for what is there now, and the
    slowest camera that is supported gives a frame each second."""
    frozen_after_s: float = 30.0
    """Identical frames for this long mean a frozen camera; 0 never does. The noise of a sensor
    changes some pixel in every frame, also in a scene at rest; a stream that stalls and repeats
    its last picture recovers sooner."""
    first_retry_s: float = 0.5
    """Wait before a lost camera is opened again; it doubles with each failure. A USB camera is
    back on the bus half a second after it was plugged in."""
    longest_retry_s: float = 30.0
    """Longest wait between two attempts, so that a camera that returns is soon in use."""


class Grabber:
    """Grabs frames; ``step`` for a ``Worker``, the rest from any thread.

    Args:
        open_camera: opens the camera, again after each loss; raises CameraError.
        clock: the time of the frames.
        bus: carries the reports of losses.
        settings: of the camera.
        on_end: called once, from the worker's thread, when a replay is over and its last frame
            was taken.
        times: how long the camera may take.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        clock: Clock,
        bus: EventBus,
        settings: CameraSettings,
        on_end: Callable[[], None] = lambda: None,
        times: GrabberTimes = GrabberTimes(),
    ) -> None:
        self._open_camera = open_camera
        self._settings = settings
        self._on_end = on_end
        self._times = times
        self._frames = Frames(clock, times.stale_after_s, settings.is_lossless)
        self._frozen = FrozenWatch(0 if settings.is_replay else times.frozen_after_s)
        self._backoff = Backoff(times.first_retry_s, times.longest_retry_s)
        self._health = PartHealth(Part.CAMERA, bus.publish, clock, self._backoff)
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._camera: Camera | None = None
        self._is_paused = False
        self._is_closed = False
        self._has_ended = False
        self._is_frozen = False
        self._was_lost = False
        self._warm_up_left = 0
        self._warm_up_end_s = 0.0
        self._reconnects = 0

    # ------------------------------------------------------------ the frames, from any thread

    def latest(self) -> Frame | None:
        """Return the newest frame; None without one that is fresh."""
        return self._frames.latest()

    def take(self, timeout_s: float) -> Frame | None:
        """Return the newest frame that was not taken yet; None after the time."""
        return self._frames.take(timeout_s)

    def wait_newer_than(self, captured_s: float, timeout_s: float) -> Frame | None:
        """Return a frame that was captured after a time; None when there is none in time."""
        return self._frames.wait_newer_than(captured_s, timeout_s)

    @property
    def frames(self) -> int:
        """Frames that the camera gave since the start."""
        return self._frames.count

    @property
    def drops(self) -> int:
        """Frames that nobody looked at."""
        return self._frames.drops

    @property
    def reconnects(self) -> int:
        """How often the camera was lost and came back."""
        return self._reconnects

    @property
    def frame_age_s(self) -> float | None:
        """Age of the newest frame in seconds; None without one."""
        return self._frames.age_s

    @property
    def is_available(self) -> bool:
        """Whether frames come."""
        return not self._is_paused and not self._health.is_problem and self.latest() is not None

    @property
    def is_frozen(self) -> bool:
        """Whether the camera is lost because it kept giving the very same picture."""
        return self._is_frozen

    @property
    def is_paused(self) -> bool:
        """Whether the camera was released on purpose."""
        return self._is_paused

    @property
    def has_ended(self) -> bool:
        """Whether a replay is over."""
        return self._has_ended

    # ------------------------------------------------------------ control, from any thread

    def pause(self) -> None:
        """Let the camera go and forget its frames, until ``resume``."""
        self._is_paused = True
        self._is_frozen = False
        self._release()
        self._frames.clear()

    def resume(self) -> None:
        """Open the camera again."""
        self._backoff.retry_now()
        self._is_paused = False
        self._changed.set()

    def wake(self) -> None:
        """End a step that waits: the worker stops, so the camera is released for good."""
        self.close()

    def close(self) -> None:
        """Let the camera go for good, and everyone who waits for a frame; may be repeated."""
        self._is_closed = True
        self._release()
        self._frames.close()

    def _release(self) -> None:
        with self._lock:
            camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
        self._changed.set()

    # ------------------------------------------------------------ the worker's thread

    def step(self) -> None:
        """Grab one frame, or try once to open the camera; a moment's wait when neither is due."""
        self._changed.clear()
        if self._is_paused or self._is_closed or self._has_ended:
            self._frozen.forget()
            self._changed.wait(_STEP_WAIT_S)
            return
        camera = self._camera or self._connect()
        if camera is None:
            return
        if self._settings.is_lossless and not self._frames.wait_until_wanted(_STEP_WAIT_S):
            return
        try:
            frame = camera.read()
        except EndOfReplay as end:
            self._end(camera, end)
        except CameraError as exc:
            self._lose(camera, exc)
        else:
            self._accept(camera, frame)

    def _connect(self) -> Camera | None:
        """Return the camera if it is time to open it and that worked."""
        if (rest_s := self._backoff.rest_s) > 0:
            self._changed.wait(min(rest_s, _STEP_WAIT_S))
            return None
        try:
            camera = self._open_camera()
        except CameraError as exc:
            self._note_failure(exc)
            return None
        with self._lock:
            is_wanted = not (self._is_paused or self._is_closed)
            if is_wanted:
                self._camera = camera
        if not is_wanted:
            camera.close()
            return None
        self._warm_up_left = 0 if self._settings.is_replay else self._times.warm_up_frames
        self._warm_up_end_s = 0.0
        return camera

    def _accept(self, camera: Camera, frame: Frame) -> None:
        """Hand a frame on, unless the camera has only just woken up or is frozen."""
        if self._is_warming_up():
            return
        if self._frozen.look(frame.image_hwc, frame.captured_s):
            limit_s = self._times.frozen_after_s
            reason = f"{camera.name} gives the very same picture for {limit_s:g} s: replug it"
            self._lose(camera, FrozenCameraError(reason))
            return
        with self._lock:
            if self._camera is not camera:  # released meanwhile, perhaps for privacy
                return
            self._frames.put(frame)
        self._is_frozen = False
        if self._was_lost:
            self._reconnects += 1
            self._was_lost = False
        self._health.worked(f"{camera.name} gives frames again")

    def _is_warming_up(self) -> bool:
        now_s = time.monotonic()
        if not self._warm_up_end_s:
            self._warm_up_end_s = now_s + _LONGEST_WARM_UP_S
        if self._warm_up_left <= 0 or now_s > self._warm_up_end_s:
            return False
        self._warm_up_left -= 1
        return True

    def _lose(self, camera: Camera, reason: CameraError) -> None:
        """Note that the camera is lost, unless we let it go ourselves."""
        with self._lock:
            if self._camera is not camera:
                return
            self._camera = None
        camera.close()
        self._was_lost = True
        self._note_failure(reason)

    def _note_failure(self, reason: CameraError) -> None:
        if self._is_paused or self._is_closed:
            return
        self._is_frozen = isinstance(reason, FrozenCameraError)
        self._health.failed(str(reason))

    def _end(self, camera: Camera, end: EndOfReplay) -> None:
        """Note that a replay is over, once its last frame was taken."""
        with self._lock:
            if self._camera is not camera:
                return
        if self._frames.wait_until_taken(_STEP_WAIT_S):
            self._has_ended = True
            self._release()
            _LOGGER.info("%s", end)
            self._on_end()
