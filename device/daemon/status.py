"""How the daemon is: what ``status``, MQTT diagnostics and the spoken self-check tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from device import __version__
from device.daemon.live_settings import Value
from device.daemon.problem_announcer import ProblemAnnouncer
from device.doctor.machine import HOTTEST_C, temperature_c
from device.events import Answered, Decided, Event, Part
from device.records import Caption


class CameraCounts(Protocol):
    """What a camera knows of itself; ``device.camera.grabber.Grabber``."""

    @property
    def is_available(self) -> bool:
        """Whether frames come."""

    @property
    def frame_age_s(self) -> float | None:
        """Age of the newest frame in seconds; None without one."""

    @property
    def drops(self) -> int:
        """Frames that nobody looked at."""


class DaemonStatus:
    """A ``device.events.Listener`` that keeps the last caption's facts.

    Args:
        camera: its counters.
        troubles: what is wrong now.
        bundle: returns the name of the bundle in use.
    """

    def __init__(
        self, camera: CameraCounts, troubles: ProblemAnnouncer, bundle: Callable[[], str]
    ) -> None:
        self._camera, self._troubles, self._bundle = camera, troubles, bundle
        self._began_s = time.monotonic()
        self._lock = threading.Lock()
        self._caption: Caption | None = None

    def accept(self, event: Event) -> None:
        """Keep the caption that an event carries."""
        if isinstance(event, Answered | Decided) and event.caption is not None:
            with self._lock:
                self._caption = event.caption

    def values(self) -> Mapping[str, Value]:
        """Return what is known, as ``seealoud press status`` shows it."""
        with self._lock:
            caption = self._caption
        return {
            "is_camera_available": self._camera.is_available,
            # No frames while it opens, or for privacy, are none: a problem is what was told as one.
            "is_camera_problem": Part.CAMERA in self._troubles.open,
            "frame_age_s": self._camera.frame_age_s,
            "drops": self._camera.drops,
            "last_caption": None if caption is None else caption.sentence,
            "caption_latency_ms": None if caption is None else caption.timings.total_ms,
            "temperature_c": temperature_c(),
            "bundle": self._bundle(),
            "uptime_s": round(time.monotonic() - self._began_s),
            "problems": "; ".join(self._troubles.open.values()),
            "version": __version__,
        }

    def spoken(self) -> str:
        """Return the answer to a spoken self-check."""
        celsius = temperature_c()
        heat = " The device is too hot." if celsius is not None and celsius >= HOTTEST_C else ""
        with self._lock:
            caption = self._caption
        pace = ""
        if caption is not None:
            pace = f" The last look took {caption.timings.total_ms / 1000:.1f} seconds."
        return f"{self._troubles.spoken_summary()}{heat}{pace}"
