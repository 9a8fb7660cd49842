"""The daemon's state: the open problems, each announced once, and the values of ``status``.

Invariant: silence is never ambiguous. Every problem that stops narration is spoken, without paths
or commands; the log and MQTT have the details.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from device import __version__
from device.camera.grabber import Grabber
from device.clock import Clock
from device.daemon.live_settings import Value
from device.daemon.sentences import ALL_WELL, PARTS, RECORDING_OVER
from device.doctor.machine import HOTTEST_C, temperature_c
from device.events import Answered, Decided, Event, Part, ProblemChanged
from device.records import Caption, Cause, Priority, Utterance

_LOGGER = logging.getLogger(__name__)
# A voice that still loads on a busy Pi needs most of it. There are two waits, and systemd's watchdog
# ends a daemon after a step of 50 s.
_LONGEST_SPEECH_S = 20.0
_LOOK_AGAIN_S = 0.02


class ProblemAnnouncer:
    """A ``device.events.Listener`` that keeps the open problems and announces each change.

    Args:
        announce: speaks an utterance.
        now_s: the clock's monotonic seconds.
    """

    def __init__(self, announce: Callable[[Utterance], None], now_s: Callable[[], float]) -> None:
        self._announce = announce
        self._now_s = now_s
        self._lock = threading.Lock()
        self._open: dict[Part, str] = {}

    @property
    def open(self) -> dict[Part, str]:
        """The open problems: one line for each part."""
        with self._lock:
            return dict(self._open)

    def accept(self, event: Event) -> None:
        """Record a problem or its end, and announce it if it is new."""
        if not isinstance(event, ProblemChanged):
            return
        with self._lock:
            is_news = event.is_problem != (event.part in self._open)
            if event.is_problem:
                self._open[event.part] = event.text
            else:
                self._open.pop(event.part, None)
        spoken = PARTS[event.part]
        if is_news and spoken is not None:
            text = spoken.failed if event.is_problem else spoken.works
            self._announce(Utterance(text, Priority.ALERT, Cause.STARTUP, self._now_s()))

    def spoken_summary(self) -> str:
        """Return the open problems as spoken sentences."""
        failed = [spoken.failed for part in self.open if (spoken := PARTS[part]) is not None]
        return " ".join(failed) if failed else ALL_WELL


def announce_end(
    announce: Callable[[Utterance], None],
    is_busy: Callable[[], bool],
    over: threading.Event,
    clock: Clock,
) -> None:
    """Say that a recording is over once its last words were heard, and set ``over`` after that.

    Otherwise a daemon whose recording has ended is silent, and nobody knows why.
    """

    def wait() -> None:
        deadline_s = time.monotonic() + _LONGEST_SPEECH_S
        while not over.wait(_LOOK_AGAIN_S) and is_busy() and time.monotonic() < deadline_s:
            pass

    _LOGGER.warning(
        "the recording is over, and so the daemon ends; camera.replay.is_looped repeats a "
        'recording, and camera.source = "camera:0" is a camera'
    )
    wait()
    announce(Utterance(RECORDING_OVER, Priority.ALERT, Cause.STARTUP, clock.now_s()))
    wait()
    over.set()


class DaemonStatus:
    """The values for ``status``, MQTT diagnostics and the spoken self-check.

    A ``device.events.Listener`` that keeps the last caption.

    Args:
        camera: the source of its counters.
        problems: the open problems.
        bundle: returns the name of the bundle in use.
    """

    def __init__(
        self, camera: Grabber, problems: ProblemAnnouncer, bundle: Callable[[], str]
    ) -> None:
        self._camera = camera
        self._problems = problems
        self._bundle = bundle
        self._began_s = time.monotonic()
        self._lock = threading.Lock()
        self._caption: Caption | None = None

    def accept(self, event: Event) -> None:
        """Keep the caption that an event carries."""
        if isinstance(event, Answered | Decided) and event.caption is not None:
            with self._lock:
                self._caption = event.caption

    def values(self) -> Mapping[str, Value]:
        """Return the values, as ``seealoud press status`` prints them."""
        with self._lock:
            caption = self._caption
        problems = self._problems.open
        return {
            "is_camera_available": self._camera.is_available,
            # A camera without frames is no problem while it opens, or during privacy.
            "is_camera_problem": Part.CAMERA in problems,
            "frame_age_s": self._camera.frame_age_s,
            "drops": self._camera.drops,
            "last_caption": None if caption is None else caption.sentence,
            "caption_latency_ms": None if caption is None else caption.timings.total_ms,
            "temperature_c": temperature_c(),
            "bundle": self._bundle(),
            "uptime_s": round(time.monotonic() - self._began_s),
            "problems": "; ".join(problems.values()),
            "version": __version__,
        }

    def spoken(self) -> str:
        """Return the answer to a spoken self-check."""
        celsius = temperature_c()
        heat = " The device is too hot." if celsius is not None and celsius >= HOTTEST_C else ""
        with self._lock:
            caption = self._caption
        latency = ""
        if caption is not None:
            latency = f" The last caption took {caption.timings.total_ms / 1000:.1f} seconds."
        return f"{self._problems.spoken_summary()}{heat}{latency}"
