"""The daemon's state: the greeting, the open problems, and the values of ``status``.

Invariant: silence is never ambiguous. The greeting says that the device is ready and what is
missing; later every problem that stops narration is spoken once, without paths or commands. The log
and MQTT have the details.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from seealoud.device import __version__
from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import Clock, ClockReading
from seealoud.device.daemon.sentences import (
    ALL_WELL,
    NO_FRAME,
    PARTS,
    PRIVATE,
    READY,
    RECORDING_OVER,
    PartSentences,
)
from seealoud.device.doctor.machine import HOTTEST_C, temperature_c
from seealoud.device.events import Answered, Decided, Event, Part, ProblemChanged
from seealoud.device.narrator.settings import NarrationSettings, parse_quiet_hours
from seealoud.device.records import Caption, Cause, Priority, Utterance
from seealoud.device.requests import Value

_LOGGER = logging.getLogger(__name__)
# A voice that still loads on a busy Pi needs most of it. There are two waits, and systemd ends a
# daemon after a step of 50 s.
_LONGEST_SPEECH_S = 20.0
_LOOK_AGAIN_S = 0.02
# A problem reported within this time after the greeting is of a part that has not worked yet: a
# broker is reported after 10 s.
_START_S = 30.0
# At boot a USB camera may be found some seconds after the start of the daemon.
_CAMERA_WAIT_S = 5.0
# An attempt to open a network camera may take longer; nobody should wait for the greeting so long.
_LONGEST_WAIT_S = 15.0


class ProblemAnnouncer:
    """A ``seealoud.device.events.Listener`` that keeps the open problems and announces each change.

    Until the greeting nothing is announced: the greeting names all problems together.

    Args:
        announce: speaks an utterance.
        now_s: the clock's monotonic seconds.
        missing: what is spoken of parts that have not worked since the start; others have the
            same sentences then as later.
    """

    def __init__(
        self,
        announce: Callable[[Utterance], None],
        now_s: Callable[[], float],
        missing: Mapping[Part, PartSentences] | None = None,
    ) -> None:
        self._announce = announce
        self._now_s = now_s
        self._missing = missing or {}
        self._lock = threading.Lock()
        self._greeted_s: float | None = None
        self._open: dict[Part, str] = {}
        # Parts that have worked, or of which a problem was reported; and those that have not worked
        # since the start.
        self._reported: set[Part] = set()
        self._never_worked: set[Part] = set()

    @property
    def open(self) -> dict[Part, str]:
        """The open problems: one line for each part."""
        with self._lock:
            return dict(self._open)

    def greet(self, text: str, *, is_spoken: bool = True, is_camera_seen: bool = False) -> None:
        """Announce that the daemon runs, and the open problems; then announce each change.

        Args:
            text: what is spoken before the problems.
            is_spoken: whether it is spoken at all.
            is_camera_seen: whether the camera has given pictures.
        """
        with self._lock:
            if is_camera_seen:
                self._reported.add(Part.CAMERA)
            self._greeted_s = self._now_s()
            failed = self._failed()
        greeting = " ".join(filter(None, [text, *failed]))
        _LOGGER.info("greeting%s: %s", "" if is_spoken else " (not spoken)", greeting)
        if is_spoken:
            self._say(greeting)

    def accept(self, event: Event) -> None:
        """Record a problem or its end, and announce it if it is new."""
        if not isinstance(event, ProblemChanged):
            return
        with self._lock:
            is_news = event.is_problem != (event.part in self._open)
            self._note_first(event)
            spoken = self._sentences(event.part)
            if event.is_problem:
                self._open[event.part] = event.text
            else:
                self._open.pop(event.part, None)
                self._never_worked.discard(event.part)
            is_greeted = self._greeted_s is not None
        if is_news and is_greeted and spoken is not None:
            self._say(spoken.failed if event.is_problem else spoken.works)

    def lines(self) -> list[str]:
        """Return the open problems for people to read: the part, what is wrong, what to do."""
        return [f"{part.value.capitalize()}: {text}" for part, text in self.open.items()]

    def spoken_summary(self) -> str:
        """Return the open problems as spoken sentences."""
        with self._lock:
            failed = self._failed()
        return " ".join(failed) if failed else ALL_WELL

    def _failed(self) -> list[str]:
        sentences = (self._sentences(part) for part in self._open)
        return [spoken.failed for spoken in sentences if spoken is not None]

    def _sentences(self, part: Part) -> PartSentences | None:
        if part in self._never_worked:
            return self._missing.get(part, PARTS[part])
        return PARTS[part]

    def _note_first(self, event: ProblemChanged) -> None:
        """Note a part whose first problem comes so early that it has not worked yet."""
        since_s = 0.0 if self._greeted_s is None else self._now_s() - self._greeted_s
        if event.is_problem and event.part not in self._reported and since_s < _START_S:
            self._never_worked.add(event.part)
        self._reported.add(event.part)

    def _say(self, text: str) -> None:
        self._announce(Utterance(text, Priority.ALERT, Cause.STARTUP, self._now_s()))


class Greeting:
    """Says once that the device is ready, when it is known whether the camera works.

    It is not spoken in quiet hours, nor of a recording. Used by the main thread.

    Args:
        camera: the camera.
        problems: speaks, and knows what is missing.
        settings: those of narration, for the quiet hours.
        clock: the time.
        is_replay: whether the camera is a recording.
    """

    def __init__(
        self,
        camera: Grabber,
        problems: ProblemAnnouncer,
        settings: NarrationSettings,
        clock: Clock,
        *,
        is_replay: bool,
    ) -> None:
        self._camera = camera
        self._problems = problems
        self._hours = tuple(map(parse_quiet_hours, settings.quiet_hours))
        self._clock = clock
        self._is_replay = is_replay
        self._began_s = clock.now_s()
        self._is_done = False

    def greet_where_due(self) -> None:
        """Greet if it is time; call it often."""
        waited_s = self._clock.now_s() - self._began_s
        is_missing = Part.CAMERA in self._problems.open
        is_known = self._camera.is_available or self._camera.is_paused or self._is_replay
        limit_s = _CAMERA_WAIT_S if is_missing else _LONGEST_WAIT_S
        if self._is_done or not (is_known or waited_s >= limit_s):
            return
        self._is_done = True
        sentences = [READY]
        if self._camera.is_paused:
            sentences.append(PRIVATE)
        elif not (is_known or is_missing):
            sentences.append(NO_FRAME)
        local = ClockReading.of(self._clock).local.time()
        is_quiet = any(local in hours for hours in self._hours)
        is_spoken = not (is_quiet or self._is_replay)
        self._problems.greet(
            " ".join(sentences), is_spoken=is_spoken, is_camera_seen=self._camera.is_available
        )


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

    A ``seealoud.device.events.Listener`` that keeps the last caption.

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
