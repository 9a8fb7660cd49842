"""Finds the things in a frame, and composes one description from the caption and the things.

Invariants: a bundle without calibrated weights for things names nothing. A name occurs once; at
most ``MOST_NAMES`` things are added to a caption, the most probable first; "maybe" is used only if
nothing is sure; "Nobody is in view" never follows a person. The caption's sentence comes first, so
that speech can begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import InferenceError
from seealoud.device.records import Description, Frame, Thing
from seealoud.device.vision import sentences
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.detector import Detection, Detector
from seealoud.device.vision.manifest import Manifest
from seealoud.device.vision.names import NameClassifier
from seealoud.device.vision.sentences import Hedge
from seealoud.device.vision.sighting import Sighting, best_scores, by_name, combine
from seealoud.device.vision.specs import ThingsSpec
from seealoud.device.vision.thing_words import DETECTABLE, is_named, mentions_person

Search = Future[tuple[Detection, ...] | None]
MOST_NAMES = 3
# The reason of a caption that is withheld because it is too improbable.
UNSURE = "unsure"


class ThingFinder:
    """Finds things with the detector and the encoder's names.

    The detector runs in its own thread, in parallel with the captioner; LiteRT releases the
    interpreter lock while it computes.

    Args:
        spec: the weights and limits from the manifest.
        detector: None if the bundle has no detector.
        names: None if the bundle has no names.
    """

    def __init__(
        self, spec: ThingsSpec, detector: Detector | None, names: NameClassifier | None
    ) -> None:
        self._spec = spec
        self._detector = detector
        self._names = names
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector")

    def start(self, frame: Frame) -> Search:
        """Begin to look for things in a frame; return at once.

        Raises:
            InferenceError: it is closed.
        """
        try:
            return self._pool.submit(self._detect, frame)
        except RuntimeError as exc:
            raise InferenceError("the finder of things is closed: open a new one") from exc

    def _detect(self, frame: Frame) -> tuple[Detection, ...] | None:
        return None if self._detector is None else self._detector.detect(frame.image_hwc)

    def scores(self, started: Search) -> Mapping[str, float] | None:
        """Return the detector's best score of each everyday name; None without a detector.

        Raises:
            InferenceError: the runtime failed.
        """
        detections = started.result()
        return None if detections is None else best_scores(by_name(detections))

    def sighting(
        self, started: Search, pooled_d: npt.NDArray[np.float32] | None, text: str = ""
    ) -> Sighting:
        """Return what is in the frame.

        Args:
            started: the result of ``start``.
            pooled_d: float32 [channels], the encoder's; None if it cannot be trusted.
            text: the caption, even if it is withheld; what it mentions is more probable.

        Raises:
            InferenceError: the runtime failed.
        """
        detections = started.result()
        named = self._names.names(pooled_d) if self._names and pooled_d is not None else None
        return combine(self._spec, detections, named, text)

    def compose(
        self, text: str, how: Hedge, seen: Sighting, person_log_odds: float | None = None
    ) -> Description:
        """Return the description that names the things beside the caption.

        Args:
            text: the caption; "" if there is none.
            how: the caption's hedge; a withheld caption is ignored.
            seen: the result of ``sighting``.
            person_log_odds: that the encoder's features show a person; None if unknown.
        """
        said = "" if how is Hedge.CANNOT_TELL else text
        names = [one.name for one in seen.things if is_named(one.name, said)]
        implied = frozenset[str]().union(*(seen.broader.get(name, ()) for name in names))
        is_empty = seen.is_nobody_there(self._spec, person_log_odds)
        return compose(
            said,
            how,
            seen.things,
            Certainty(self._spec.sure, self._spec.maybe),
            said_names=implied.union(names),
            is_nobody_there=is_empty and not mentions_person(said),
        )

    def close(self) -> None:
        """End the thread and free the model; may be called again."""
        self._pool.shutdown()
        if self._detector is not None:
            self._detector.close()


def open_finder(bundle: Bundle, threads: int | None = None) -> ThingFinder | None:
    """Return the finder of a bundle; None if the bundle states no weights for things.

    Raises:
        BundleError: the detector fails its self-test, or a part does not match the manifest.
    """
    manifest = bundle.manifest
    if manifest.things is None:
        return None
    detector = Detector(bundle, threads=threads) if manifest.detector is not None else None
    names = NameClassifier(bundle) if manifest.names is not None else None
    return ThingFinder(manifest.things, detector, names)


def thing_names(manifest: Manifest) -> list[str]:
    """Return every name that a bundle can add to its captions without "maybe"."""
    if manifest.things is None:
        return []
    detected = DETECTABLE if manifest.detector is not None else frozenset[str]()
    spec = manifest.names
    named = () if spec is None else (x.name for x in spec.names if x.threshold is not None)
    return sorted({*detected, *named} - set(manifest.things.never))


@dataclass(frozen=True, slots=True)
class Certainty:
    """The least probabilities at which a thing is named.

    Attributes:
        sure: of a thing that is named without "maybe".
        maybe: of a thing that is named as possible if nothing is sure.
    """

    sure: float
    maybe: float


def compose(
    text: str,
    how: Hedge,
    things: Sequence[Thing],
    certainty: Certainty,
    *,
    said_names: frozenset[str] = frozenset(),
    is_nobody_there: bool = False,
) -> Description:
    """Return the description of a frame, without the captioner's record.

    Args:
        text: the caption; "" if there is none.
        how: the caption's hedge.
        things: every thing with its probability, in any order.
        certainty: the limits from the manifest.
        said_names: things that the caption names or implies.
        is_nobody_there: whether it is sure enough that no person is in view.
    """
    says_caption = bool(text.strip()) and how is not Hedge.CANNOT_TELL
    named_by_caption = said_names if says_caption else frozenset[str]()
    # A thing that the caption names with "maybe" is named again if it is sure.
    known = frozenset[str]() if how is Hedge.MAYBE else named_by_caption
    by_probability = sorted(things, key=lambda t: -t.probability)
    others = [t for t in by_probability if t.name not in known]
    sure = tuple(t for t in others if t.probability >= certainty.sure)[:MOST_NAMES]
    maybe: tuple[Thing, ...] = ()
    if not sure and how is not Hedge.PLAIN:
        maybe = tuple(
            replace(t, is_sure=False)
            for t in by_probability
            if t.name not in named_by_caption and t.probability >= certainty.maybe
        )[:1]
    confirms = any(thing.name in named_by_caption for thing in sure)
    named = (*sure, *maybe)
    is_empty = is_nobody_there and not any(mentions_person(thing.name) for thing in named)
    parts = [
        _first(text, how, says_caption=says_caption, says_more=bool(named)),
        sentences.things_sentence(sure, beside_caption=says_caption, confirms=confirms),
        sentences.maybe_sentence(maybe),
        sentences.NOBODY if is_empty and (says_caption or named) else "",
    ]
    sentence = " ".join(filter(None, parts))
    return Description(sentence, reason="" if says_caption else UNSURE, things=named)


def _first(text: str, how: Hedge, *, says_caption: bool, says_more: bool) -> str:
    if says_caption:
        return sentences.caption_sentence(text, how)
    return sentences.UNSURE if says_more else sentences.CANNOT_TELL
