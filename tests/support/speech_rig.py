"""An announcer with its worker and the events that it publishes, and voices for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from support.speech_cards import DEADLINE_S, RATE_HZ

from seealoud.device.clock import Clock, SystemClock
from seealoud.device.errors import VoiceError
from seealoud.device.events import EventBus, SpeechOutcome, Spoke
from seealoud.device.records import Cause, Priority, Utterance
from seealoud.device.speech.announcer import Announcer
from seealoud.device.speech.chosen_voice import OpenVoice
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.piper import PiperVoiceProcess
from seealoud.device.speech.playback import Playback
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.testing import EventRecorder
from seealoud.device.worker import Worker

BROKEN = "broken.onnx"
DEADLY = "deadly"


class Ear(EventRecorder):
    """Records events, and waits for those about speech."""

    @property
    def spoke(self) -> list[Spoke]:
        return self.of(Spoke)

    @property
    def outcomes(self) -> list[tuple[str, SpeechOutcome]]:
        return [(event.utterance.text, event.outcome) for event in self.spoke]

    @property
    def counts(self) -> Counter[SpeechOutcome]:
        return Counter(event.outcome for event in self.spoke)

    def wait_spoke(self, count: int) -> list[Spoke]:
        """Return the ends of utterances as soon as there are so many."""
        self.wait_for(lambda: len(self.spoke) >= count, DEADLINE_S)
        return self.spoke


class ToneVoice:
    """A tone of 20 ms for each character; dies of one word, and can be held back.

    Attributes:
        said: what was asked for.
        gate: set while sound may be made.
        is_closed: whether it was closed.
    """

    def __init__(self, path: str | None) -> None:
        if path == BROKEN:
            raise VoiceError(f"the voice's file {path} is missing")
        self.path = path
        self.said: list[str] = []
        self.rates: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.is_closed = False

    def warm(self) -> None:
        pass

    def start(self) -> None:
        if self.path == DEADLY:
            raise VoiceError(f"{self.path}: cannot be loaded")

    def synthesize(
        self,
        text: str,
        *,
        rate: float = 1.0,
        volume: float = 1.0,
        cancelled: threading.Event | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Generator[PcmChunk, None, None]:
        assert not self.is_closed
        assert volume == 1.0
        self.said.append(text)
        self.rates.append(rate)
        while not self.gate.wait(0.005):
            if on_wait is not None:
                on_wait()
            if cancelled is not None and cancelled.is_set():
                return
        if DEADLY in text or self.path == DEADLY:
            raise VoiceError("the voice's process ended while it spoke")
        if text.strip():
            yield PcmChunk(np.full(len(text) * RATE_HZ // 50, 10_000, np.int16), RATE_HZ)

    def close(self) -> None:
        self.is_closed = True


class SharedPiper(PiperVoiceProcess):
    """A loaded voice that several announcers use one after the other."""

    def close(self) -> None:
        pass

    def end(self) -> None:
        super().close()


@dataclass
class Rig:
    """An announcer in its thread."""

    announcer: Announcer
    worker: Worker
    ear: Ear
    voices: list[ToneVoice] = field(default_factory=list)
    asked: int = 0

    def say(
        self,
        text: str,
        priority: Priority = Priority.ANSWER,
        asked_s: float = 0.0,
        cause: Cause = Cause.MQTT,
    ) -> None:
        self.asked += 1
        self.announcer.announce(Utterance(text, priority, cause, asked_s, id=str(self.asked)))


@contextmanager
def announcing(
    playback: Playback,
    settings: SpeechSettings | None = None,
    open_voice: OpenVoice | None = None,
    clock: Clock | None = None,
    *,
    is_started: bool = True,
    often_spoken: Sequence[str] = (),
) -> Iterator[Rig]:
    """Give an announcer at work; afterwards no defect was hidden and every utterance is over."""
    ear, bus, voices = Ear(), EventBus(), list[ToneVoice]()

    def open_tone(path: str | None) -> ToneVoice:
        voices.append(ToneVoice(path))
        return voices[-1]

    bus.subscribe(ear)
    announcer = Announcer(
        settings or SpeechSettings(),
        playback,
        bus,
        clock or SystemClock(),
        open_voice or open_tone,
        often_spoken,
    )
    worker = Worker("speech", announcer.step, pytest.fail, announcer.wake)
    announcer.report_progress_to(worker.progress)
    announcer.warm()
    rig = Rig(announcer, worker, ear, voices)
    try:
        if is_started:
            worker.start()
        yield rig
    finally:
        worker.request_stop()
        assert worker.join(DEADLINE_S)
        announcer.close()
    ids = Counter(event.utterance.id for event in ear.spoke if event.utterance.id)
    assert ids == Counter(str(number + 1) for number in range(rig.asked))
