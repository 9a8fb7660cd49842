"""Stand-ins around the daemon's own threads: a camera, an eye and a voice that keep notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from device.clock import Clocks, ReplayClock
from device.daemon.observer import Observer
from device.errors import InferenceError, VoiceError
from device.events import EventBus
from device.narrator.narrator import Narrator
from device.narrator.settings import NarrationSettings
from device.records import Caption, Cause, Earcon, Frame, Hypothesis, Timings, Utterance
from device.testing import EventRecorder
from device.vision.captioner import Encoded
from device.vision.confidence import JudgedCaption
from device.vision.describe import FrameDescriber
from device.vision.evidence import Scores
from device.vision.picture_gate import PictureGate
from device.vision.sentences import Hedge

BEGAN_AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
_SIZE_PX = 48
_N_CHANNELS = 16


def scene(seed: int) -> np.ndarray:
    """Return a picture, uint8 [48, 48, 3], that differs from those of other seeds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return coarse.repeat(_SIZE_PX // 6, axis=0).repeat(_SIZE_PX // 6, axis=1)


def dark() -> np.ndarray:
    """Return a picture in which nothing can be seen."""
    return np.zeros((_SIZE_PX, _SIZE_PX, 3), np.uint8)


@dataclass
class ScriptedEye:
    """Says "a dog number N" of the picture ``scene(N)``; counts its work."""

    encoded: int = 0
    decoded: int = 0
    fails: bool = False
    is_closed: bool = False

    def encode(self, frame: Frame) -> Encoded:
        self.encoded += 1
        if self.fails:
            raise InferenceError("the runtime failed")
        seed = int(frame.image_hwc[0, 0, 0]) * 256 + int(frame.image_hwc[0, -1, 0])
        pooled_d = np.random.default_rng(seed).random(_N_CHANNELS).astype(np.float32)
        return Encoded(
            frame.source, frame.captured_at, frame.captured_s, pooled_d[None], pooled_d, 1.0, 2.0
        )

    def decode(self, encoded: Encoded) -> Caption:
        self.decoded += 1
        number = int(encoded.pooled_d[0] * 1e6)
        return Caption(
            encoded.frame_source,
            encoded.captured_at,
            (Hypothesis(f"a dog number{number}", -1.0, -0.5),),
            Timings(1.0, 2.0, 3.0),
            "scripted",
        )

    def close(self) -> None:
        self.is_closed = True


@dataclass
class ScriptedHonesty:
    """Returns the scripted probability for every caption."""

    known: float | None = 0.9
    is_strange: bool = False

    def is_unfamiliar(self, encoded: Encoded) -> bool:
        return self.is_strange

    def choose(self, caption: Caption, encoded: Encoded, scores: Scores | None = None) -> Caption:
        return caption

    def judge(
        self, caption: Caption, encoded: Encoded, scores: Scores | None = None
    ) -> JudgedCaption:
        is_sure = self.known is None or self.known > 0.5
        return JudgedCaption(
            caption.text, self.known, Hedge.PLAIN if is_sure else Hedge.CANNOT_TELL
        )


@dataclass
class ScriptedFrames:
    """A camera that gives what the test puts into it."""

    clock: ReplayClock
    waiting: list[Frame] = field(default_factory=list)
    fresh: list[Frame] = field(default_factory=list)
    is_paused: bool = False
    is_frozen: bool = False

    @property
    def is_available(self) -> bool:
        return not self.is_paused

    def frame(self, image_hwc: np.ndarray) -> Frame:
        return Frame(image_hwc, "camera:0", self.clock.utc(), self.clock.now_s())

    def take(self, timeout_s: float) -> Frame | None:
        return self.waiting.pop(0) if self.waiting else None

    def wait_newer_than(self, captured_s: float, timeout_s: float) -> Frame | None:
        newer = [frame for frame in self.fresh if frame.captured_s > captured_s]
        return newer[0] if newer else None

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


@dataclass
class NotedVoice:
    """Keeps what it is to say."""

    utterances: list[Utterance] = field(default_factory=list)
    earcons: list[Earcon] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    stops: int = 0
    last: str = ""
    voice_error: VoiceError | None = None

    @property
    def texts(self) -> list[str]:
        return [utterance.text for utterance in self.utterances]

    def announce(self, utterance: Utterance) -> None:
        self.utterances.append(utterance)
        self.last = utterance.text

    def earcon(self, earcon: Earcon, asked_s: float) -> None:
        self.earcons.append(earcon)

    def repeat(self, cause: Cause, asked_s: float) -> bool:
        return bool(self.last)

    def stop(self) -> None:
        self.stops += 1

    def set_volume(self, volume: float) -> None:
        self.settings["volume"] = volume

    def set_rate(self, rate: float) -> None:
        self.settings["rate"] = rate

    def set_voice(self, path: str | None) -> None:
        if self.voice_error is not None:
            raise self.voice_error
        self.settings["voice"] = path

    def set_muted(self, is_muted: bool) -> None:
        self.settings["is_muted"] = is_muted


@dataclass
class DaemonBench:
    """An observer with everything around it scripted; ``show`` lets it look at a picture."""

    narration: NarrationSettings = field(default_factory=lambda: NarrationSettings(is_on=True))
    clock: ReplayClock = field(default_factory=lambda: ReplayClock(BEGAN_AT))
    eye: ScriptedEye = field(default_factory=ScriptedEye)
    honesty: ScriptedHonesty = field(default_factory=ScriptedHonesty)
    voice: NotedVoice = field(default_factory=NotedVoice)
    events: EventRecorder = field(default_factory=EventRecorder)

    def __post_init__(self) -> None:
        self.bus = EventBus()
        self.bus.subscribe(self.events)
        self.frames = ScriptedFrames(self.clock)
        self.sight = FrameDescriber(PictureGate(), self.eye, self.honesty)
        self.narrator = Narrator(self.narration)
        clocks = Clocks(self.clock, self.clock)
        self.observer = Observer(
            self.frames, self.sight, self.narrator, self.voice, self.bus, clocks
        )

    def show(self, image_hwc: np.ndarray, seconds: float = 1.0, times: int = 1) -> None:
        """Let time pass and have the observer look at the picture, some times over."""
        for _ in range(times):
            self.clock.advance_to(self.clock.now_s() + seconds)
            self.frames.waiting.append(self.frames.frame(image_hwc))
            self.observer.step()

    def steered(self, read: Callable[[Narrator], object]) -> object:
        """Return something of the narrator, read as other threads do."""
        found: list[object] = []
        self.observer.steer(lambda narrator: found.append(read(narrator)))
        return found[0]
