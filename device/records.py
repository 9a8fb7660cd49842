"""The values that pass between modules and threads; all frozen.

They depend on no model, camera or broker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as it was seen.

    Attributes:
        image_hwc: uint8 array [height, width, 3], RGB, 0..255.
        source: where it came from: a path, a URL or ``camera:0``.
        captured_at: aware UTC time at which it was taken or read.
        captured_s: the same by the daemon's clock, in monotonic seconds; 0 where it is not needed.
    """

    image_hwc: npt.NDArray[np.uint8]
    source: str
    captured_at: datetime
    captured_s: float = 0.0

    @staticmethod
    def now(image_hwc: npt.NDArray[np.uint8], source: str) -> Frame:
        """Return a frame stamped with the present time."""
        return Frame(image_hwc, source, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall time of each stage of one caption, in milliseconds."""

    preprocess_ms: float
    encoder_ms: float
    decoder_ms: float

    @property
    def total_ms(self) -> float:
        """Sum of the stages, in milliseconds."""
        return self.preprocess_ms + self.encoder_ms + self.decoder_ms


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One way to say what the picture shows.

    Attributes:
        text: the words, lower-case, without full stop.
        log_probability: natural-log probability of the words and the end mark, <= 0.
        score: the length-normalised log-probability by which hypotheses are ranked.
        word_log_probs: natural-log probability of each word and of the end mark, of which
            ``log_probability`` is the sum; empty where they were not kept.
    """

    text: str
    log_probability: float
    score: float
    word_log_probs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Caption:
    """The captioner's result for one frame.

    Attributes:
        frame_source: the frame's source.
        captured_at: aware UTC time of the frame.
        n_best: hypotheses, best first; never empty.
        timings: wall time per stage.
        bundle: name of the bundle that made it.
        trusted: the best hypothesis' words without those that are more likely wrong than right;
            None where all of them can be said.
    """

    frame_source: str
    captured_at: datetime
    n_best: tuple[Hypothesis, ...]
    timings: Timings
    bundle: str
    trusted: str | None = None

    @property
    def text(self) -> str:
        """The words that are said."""
        return self.n_best[0].text if self.trusted is None else self.trusted

    @property
    def log_probability(self) -> float:
        """The best hypothesis' natural-log probability."""
        return self.n_best[0].log_probability

    @property
    def sentence(self) -> str:
        """The words as a plain sentence, for display and speech."""
        return f"{self.text[:1].upper()}{self.text[1:]}."


class Side(StrEnum):
    """On which side of the picture a thing is, by the middle of its box."""

    LEFT = "left"
    AHEAD = "ahead"
    RIGHT = "right"


class ThingSource(StrEnum):
    """Which model named a thing."""

    DETECTOR = "detector"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in the picture that is named beside the caption.

    Attributes:
        name: an everyday name in the singular, as in "cup"; "person" for people.
        probability: calibrated, that it is there, 0..1.
        side: where it is; None where unknown, or where several are on different sides.
        source: which model named it.
        is_several: whether more than one is seen.
        is_sure: whether it is probable enough to be said without "maybe"; only then do rules fire
            on it, and only then is it counted.
    """

    name: str
    probability: float
    side: Side | None
    source: ThingSource
    is_several: bool = False
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of one frame.

    Attributes:
        text: the sentence to speak: the caption, worded by how sure it is, or why it is withheld.
        caption: the captioner's; kept where it is withheld. None where no caption was made.
        probability: calibrated probability that the caption's words are right, 0..1; None where
            unknown.
        reason: why the caption is withheld, in one word, as in ``too_dark``; empty where it is
            said.
        things: what is named beside the caption, or instead of it, the surest first.
    """

    text: str
    caption: Caption | None = None
    probability: float | None = None
    reason: str = ""
    things: tuple[Thing, ...] = ()

    @property
    def said_caption(self) -> Caption | None:
        """The caption, if it is said; None where it is withheld or was not made."""
        return None if self.reason else self.caption

    @property
    def words(self) -> str:
        """The words of the caption that are said; empty where it is withheld."""
        caption = self.said_caption
        return "" if caption is None else caption.text

    @property
    def topic(self) -> str:
        """What it is about: the caption, or the sure things where the caption is withheld."""
        sure = (thing.name for thing in self.things if thing.is_sure)
        return self.words.strip() or " ".join(sorted(sure))


class Cause(StrEnum):
    """Who or what made a request."""

    DESCRIBE = "describe"
    BUTTON = "button"
    KEY = "key"
    SIGNAL = "signal"
    CLI = "cli"
    MQTT = "mqtt"
    WEB = "web"
    NARRATION = "narration"
    STARTUP = "startup"
    SCHEDULE = "schedule"


class Priority(IntEnum):
    """Which utterance is spoken first: the higher one."""

    NARRATION = 0
    ALERT = 1
    ANSWER = 2


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words to be spoken.

    Attributes:
        text: a sentence or several.
        priority: an answer cuts everything else, an alert narration; the newest narration
            replaces one that waits.
        cause: what asked for it.
        asked_s: the clock's monotonic seconds of the press or decision that led to it.
        id: comes back in the report of its end; empty where that is not needed.
    """

    text: str
    priority: Priority
    cause: Cause
    asked_s: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that was seen, or happened, once or more.

    Attributes:
        what: the caption used most, the thing's name, the alert's rule, or the part with the
            problem.
        times: how often.
        first_at: aware.
        last_at: aware.
    """

    what: str
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class HistorySummary:
    """What happened in a time span.

    Attributes:
        since: aware, the first moment of the span.
        until: aware, the first after it.
        seen: what captions were about, the most frequent first.
        alerts: by rule, the latest first.
        problems: by part, the latest first.
        text: all of it in words, for speech.
        things: what was named beside captions or instead of them, by name, the most frequent first.
    """

    since: datetime
    until: datetime
    seen: tuple[Seen, ...]
    alerts: tuple[Seen, ...]
    problems: tuple[Seen, ...]
    text: str
    things: tuple[Seen, ...] = ()

    @property
    def total(self) -> int:
        """How many captions, alerts and problems were summed up."""
        return sum(group.times for group in (*self.seen, *self.alerts, *self.problems))


class Earcon(StrEnum):
    """A short sound that means one thing; synthesised by ``seealoud.device.speech.earcons``."""

    HEARD = "heard"
    """The press was noticed."""
    CAPTURED = "captured"
    """A picture was taken."""
    UNCHANGED = "unchanged"
    """The device works, and nothing new is to be spoken."""
    FAILED = "failed"
    """The answer could not be spoken."""
    ALERT = "alert"
    """A rule found what it looks for."""
