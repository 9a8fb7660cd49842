"""The client of the Piper process: text in, chunks of PCM out, a new process if one dies.

Never imports Piper. Every wait has a deadline: a dead or hung process is an error, not a halt.
"""

from __future__ import annotations

import itertools
import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from seealoud.device.errors import VoiceError
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.phrases import speakable
from seealoud.device.speech.protocol import Audio, Failure, Ready, Reply, SpeechRequest
from seealoud.device.speech.settings import FASTEST_RATE, SLOWEST_RATE
from seealoud.device.speech.voice import VoiceFiles, find_voice
from seealoud.device.speech.worker_process import Inbox, WorkerProcess

_LOGGER = logging.getLogger(__name__)
# A cut during a wait for the voice, and so the sound of a press, is delayed by this at most.
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class PiperOptions:
    """How a Piper process runs.

    Attributes:
        threads: threads per sentence; None leaves one core to the captioner.
        is_deterministic: the same text gives the same bytes; sounds flatter, for tests.
        start_timeout_s: longest time the voice may take to load (4 s is usual on a Pi 4).
        reply_timeout_s: longest time one phrase of at most 120 characters may take; then the voice
            counts as hung and is restarted. The slowest Raspberry Pi takes about 20 s.
    """

    threads: int | None = None
    is_deterministic: bool = False
    start_timeout_s: float = 60.0
    reply_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Wait:
    """A wait for the voice that can be cancelled and reports its progress."""

    cancelled: threading.Event
    on_wait: Callable[[], None]

    def is_cancelled(self) -> bool:
        """Report progress; return whether the wait was cancelled."""
        self.on_wait()
        return self.cancelled.is_set()


class PiperVoiceProcess:
    """A voice that stays loaded in its own process; all methods from any thread.

    Args:
        voice: its files.
        options: how the process runs.
        on_restart: called when a process that died or was killed is replaced.

    Example::

        with PiperVoiceProcess(find_voice()) as voice:
            voice.warm()
            for chunk in voice.synthesize("A brown dog runs through the grass."):
                ...
    """

    def __init__(
        self,
        voice: VoiceFiles,
        options: PiperOptions | None = None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self._voice = voice
        self._options = options or PiperOptions()
        self._on_restart = on_restart
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Id of the present process; None before the first and after `close`."""
        worker = self._worker
        return None if worker is None else worker.pid

    def warm(self) -> None:
        """Start loading the voice and return at once; `synthesize` waits for it.

        Raises:
            VoiceError: no process can be started, or the voice was closed.
        """
        self._living_worker()

    def start(self) -> Ready:
        """Load the voice if necessary; return its sample rate and its loading time.

        Raises:
            VoiceError: the voice cannot be loaded, or not in time.
        """
        ready = self._await_ready(self._living_worker(), _Wait(threading.Event(), lambda: None))
        assert ready is not None  # it cannot be cancelled
        return ready

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Generator[PcmChunk, None, None]:
        """Return the sound of ``text``, sentence by sentence as each is ready.

        Text without a word yields nothing. The iterator ends early, without an error, as
        soon as ``cancelled`` is set. Close it if you do not exhaust it.

        Args:
            text: any text; line breaks and control characters count as spaces.
            rate: pace, 0.25..4.0; 2.0 is twice as fast as the voice's own.
            volume: >= 0; 1.0 is full scale, more is clipped.
            cancelled: set by another thread to stop.
            on_wait: called regularly during waits for the voice.

        Raises:
            ValueError: rate or volume is out of its range; at once.
            VoiceError: the process died, hung or refused; while iterating. The next call
                starts a new one.
        """
        if not SLOWEST_RATE <= rate <= FASTEST_RATE:
            raise ValueError(f"rate {rate} is not within {SLOWEST_RATE}..{FASTEST_RATE}")
        if not (math.isfinite(volume) and volume >= 0):
            raise ValueError(f"volume {volume} is not 0 or more")
        request = SpeechRequest(next(self._ids), speakable(text), 1.0 / rate, volume)
        wait = _Wait(cancelled or threading.Event(), on_wait or (lambda: None))
        return self._chunks(request, wait)

    def close(self) -> None:
        """End the process; speech in progress fails. May be called again."""
        with self._lock:
            self._is_closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def _chunks(self, request: SpeechRequest, wait: _Wait) -> Generator[PcmChunk, None, None]:
        if not request.text or wait.is_cancelled():
            return
        worker = self._living_worker()
        ready = self._await_ready(worker, wait)
        if ready is None:
            return
        is_finished = False
        inbox = worker.submit(request)
        try:
            while (reply := self._next_reply(worker, inbox, wait)) is not None:
                if not isinstance(reply, Audio):
                    is_finished = True
                    self._check(reply)
                    return
                yield PcmChunk.from_bytes(reply.pcm, ready.sample_rate_hz)
        finally:
            worker.forget(request.id, is_finished=is_finished)

    def _living_worker(self) -> WorkerProcess:
        with self._lock:
            if self._is_closed:
                raise VoiceError(f"the voice {self._voice.name} is closed")
            if self._worker is not None and not self._worker.is_alive:
                _LOGGER.warning(
                    "The voice's process ended (%s); starting a new one", self._worker.end_reason()
                )
                self._worker.stop()
                self._worker = None
                self._on_restart()
            if self._worker is None:
                self._worker = WorkerProcess(self._command())
            return self._worker

    def _command(self) -> list[str]:
        # -P: a piper.py in the user's folder must not be imported instead of Piper.
        command = [sys.executable, "-P", "-m", "seealoud.device.speech.piper_worker"]
        command += ["--voice", str(self._voice.model_path)]
        if self._options.threads is not None:
            command += ["--threads", str(self._options.threads)]
        if self._options.is_deterministic:
            command.append("--deterministic")
        return command

    def _await_ready(self, worker: WorkerProcess, wait: _Wait) -> Ready | None:
        try:
            return worker.wait_ready(self._options.start_timeout_s, wait.is_cancelled)
        except VoiceError as exc:
            raise VoiceError(
                f"{self._voice.model_path}: {exc}. Use another voice, or the built-in one"
            ) from exc
        except TimeoutError as exc:
            worker.stop()
            raise VoiceError(
                f"the voice {self._voice.model_path} is {exc}; its process was killed"
            ) from exc

    def _next_reply(self, worker: WorkerProcess, inbox: Inbox, wait: _Wait) -> Reply | None:
        """Return the next reply, or None when cancelled."""
        deadline_s = time.monotonic() + self._options.reply_timeout_s
        while not wait.is_cancelled():
            try:
                reply = inbox.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() > deadline_s:
                    worker.stop()
                    raise self._silence_error() from None
                continue
            if reply is None:
                raise VoiceError(
                    f"the voice's process ended while it spoke: {worker.end_reason()}. "
                    "The next sentence starts a new one"
                )
            return reply
        return None

    def _silence_error(self) -> VoiceError:
        return VoiceError(
            f"the voice gave no sound for {self._options.reply_timeout_s:g} s; its process was "
            "killed, the next sentence starts a new one"
        )

    @staticmethod
    def _check(reply: Reply) -> None:
        if isinstance(reply, Failure):
            raise VoiceError(f"the voice could not say this text: {reply.message}")


class PiperVoices:
    """Opens Piper voices; from any thread.

    Attributes:
        restarts: how often a process had died and was started again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.restarts = 0

    def open(self, path: str | None) -> PiperVoiceProcess:
        """Return a voice that is not loaded yet; None is the built-in one.

        Raises:
            VoiceError: its files are missing.
        """
        return PiperVoiceProcess(find_voice(path), on_restart=self._count)

    def _count(self) -> None:
        with self._lock:
            self.restarts += 1
