"""Stand-ins for the slow parts behind the command line, with the rules of the real ones."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import click
import numpy as np

from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.run_describe import DescribeParts
from seealoud.device.errors import BundleError, InferenceError, PlaybackError, VoiceError
from seealoud.device.records import Caption, Description, Frame, Hypothesis, Timings
from seealoud.device.speech.pcm import PcmChunk
from seealoud.device.speech.playback import NullPlayback, Playback, Played

SAMPLE_RATE_HZ = 8000
SAMPLES_PER_CHARACTER = 40
DIM, DARK = 20, 100


class FakeDescriber:
    """Names a picture's strongest colour; unsure of a dark one, and fails on a black one."""

    def __init__(self, n_best: int = 3) -> None:
        self.n_best = n_best
        self.is_closed = False

    def look(self, frame: Frame, *, captions_refused: bool = False) -> Description:
        assert captions_refused
        assert not self.is_closed
        means = frame.image_hwc.reshape(-1, 3).mean(axis=0)
        if means.max() < 1:
            raise InferenceError(f"the model failed on {frame.source}")
        colour = ("red", "green", "blue")[int(means.argmax())]
        texts = [f"a {colour} field", f"something {colour}", "a field"][: self.n_best]
        caption = Caption(
            frame_source=frame.source,
            captured_at=frame.captured_at,
            n_best=tuple(Hypothesis(t, -1.0 - i, -0.5 - i) for i, t in enumerate(texts)),
            timings=Timings(1.0, 2.0, 3.0),
            bundle="fake",
        )
        if means.max() < DIM:
            return Description("It is too dark to see.", caption, 0.1, "too_dark")
        if means.max() < DARK:
            return Description(f"I think {caption.text}.", caption, 0.5)
        return Description(caption.sentence, caption, 0.9)

    def close(self) -> None:
        self.is_closed = True


class FakeVoice:
    """Makes a tone as long as the text; counts what it was asked for."""

    def __init__(self) -> None:
        self.is_warm = False
        self.is_closed = False
        self.said: list[str] = []

    def warm(self) -> None:
        self.is_warm = True

    def synthesize(self, text: str) -> Iterator[PcmChunk]:
        assert self.is_warm
        assert not self.is_closed
        self.said.append(text)
        yield PcmChunk(np.full(len(text) * SAMPLES_PER_CHARACTER, 1000, np.int16), SAMPLE_RATE_HZ)

    def close(self) -> None:
        self.is_closed = True


class NoSoundCard(NullPlayback):
    """What a machine without a sound card does."""

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        raise PlaybackError("no sound device 'default': plug in a loudspeaker")


class RecordingPlayback(NullPlayback):
    """Plays nothing and keeps everything."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = 0
        self.is_closed = False

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        played = super().play(chunks)
        self.samples += sum(len(chunk.samples) for chunk in self.last_chunks)
        return played

    def close(self) -> None:
        self.is_closed = True
        super().close()


class EndlessPlayback(NullPlayback):
    """Never ends by itself, as a very long text would; says on stdout that it has begun."""

    def play(self, chunks: Iterable[PcmChunk]) -> Played:
        click.echo("speaking")
        threading.Event().wait()
        raise AssertionError("unreachable")


@dataclass
class FakeParts:
    """Everything behind ``describe``, faked; ``parts`` is what the command line takes."""

    playback: Playback = field(default_factory=RecordingPlayback)
    voice: FakeVoice = field(default_factory=FakeVoice)
    has_bundle: bool = True
    has_voice: bool = True
    captioners: list[FakeDescriber] = field(default_factory=list)

    @property
    def parts(self) -> DescribeParts:
        return DescribeParts(self._open_describer, self._open_voice, lambda device: self.playback)

    def _open_describer(self, options: DescribeOptions) -> FakeDescriber:
        if not self.has_bundle:
            raise BundleError("no bundle 'x': name one with --bundle")
        self.captioners.append(FakeDescriber(options.n_best))
        return self.captioners[-1]

    def _open_voice(self, path: object) -> FakeVoice:
        if not self.has_voice:
            raise VoiceError(f"the voice's file {path} is missing")
        return self.voice
