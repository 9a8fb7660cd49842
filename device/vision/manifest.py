"""The content of ``manifest.json``: a bundle's files, its models and their measured quality.

Invariant: a manifest that these models accept is consistent; ``device.vision.bundle`` checks the
files against it.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from seealoud.device.vision.beam_search import SearchOptions
from seealoud.device.vision.specs import DetectorSpec, ManifestPart, NamesSpec, ThingsSpec

SCHEMA = 1
MANIFEST = "manifest.json"
CHECKSUM = "bundle.sha256"
ENCODER = "encoder.tflite"
DECODER = "decoder.tflite"
VOCABULARY = "vocabulary.txt"
CONFIDENCE = "confidence.npz"
DETECTOR = "detector.tflite"
NAMES = "names.npz"
HASHED_FILES = (ENCODER, DECODER, VOCABULARY)


class HashedFile(ManifestPart):
    """A file of the bundle; after a power cut it may be an empty one."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class InputSpec(ManifestPart):
    """The encoder's input: normalised = (pixel - mean) / scale, pixels 0..255.

    With ``mirrored`` the mirror image is encoded as well, and the decoder gets the mean of both.
    """

    size_px: Annotated[int, Field(ge=1)]
    mean: float
    scale: Annotated[float, Field(gt=0)]
    mirrored: bool = False


class SearchSpec(ManifestPart):
    """The search options that were chosen on the dev split."""

    beam_width: Annotated[int, Field(ge=1)]
    max_words: Annotated[int, Field(ge=1)]
    length_penalty: Annotated[float, Field(ge=0, le=2)]

    def options(self) -> SearchOptions:
        """Return the options for ``beam_search``."""
        return SearchOptions(self.beam_width, self.max_words, self.length_penalty)


class SelfTest(ManifestPart):
    """The probability of some words for a generated picture of ``device.vision.bundle``.

    Attributes:
        pattern: number of the generated picture.
        ids: word ids of the best hypothesis.
        log_probability: natural log of these words and the end mark, on the machine that
            exported the bundle.
    """

    pattern: Annotated[int, Field(ge=0)]
    ids: list[int]
    log_probability: float


class MentionWeights(ManifestPart):
    """Log-odds that a reference confirms a mention, per unit of each signal.

    Attributes:
        word_log_prob: for the natural-log probability of the mentioned word.
        mean_log_prob: for the mean over the caption's words and end mark.
        seen_log_odds: for the log-odds that the encoder's features show the class.
        detected_log_odds: for the log-odds of the detector's best score of the class.
        is_detectable: for a class that the detector knows, whatever it found.
    """

    word_log_prob: float
    mean_log_prob: float
    seen_log_odds: float
    detected_log_odds: float = 0.0
    is_detectable: float = 0.0


class WordingSpec(ManifestPart):
    """The least probabilities for no hedge, for "I think" and for "maybe".

    Attributes:
        plain: of a caption without a hedge.
        think: of a caption with "I think".
        maybe: of a caption with "maybe"; less probable captions are withheld.
        colour: of a colour in a caption; less probable colours are left out.
    """

    plain: Annotated[float, Field(ge=0, le=1)]
    think: Annotated[float, Field(ge=0, le=1)]
    maybe: Annotated[float, Field(ge=0, le=1)]
    colour: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if not self.plain >= self.think >= self.maybe:
            raise ValueError(
                f"plain {self.plain}, think {self.think}, maybe {self.maybe}: must not rise"
            )
        return self


class ChoiceSpec(ManifestPart):
    """How one of the search's hypotheses is chosen (``device.vision.hypotheses``).

    Attributes:
        support: weight of the mean logarithm of the mentions' probabilities, added to the score.
        repeat: subtracted from the score for each repeated noun.
    """

    support: Annotated[float, Field(ge=0)]
    repeat: Annotated[float, Field(ge=0)]


class NoveltySpec(ManifestPart):
    """When a picture is unlike all training pictures.

    Attributes:
        largest: largest distance of a familiar picture from the training pictures, 0..1; see
            ``device.vision.evidence``.
    """

    largest: Annotated[float, Field(ge=0, le=1)]


class SaidSpec(ManifestPart):
    """What the bundle says of photographs that it was not trained on, counted.

    Attributes:
        pictures: number of photographs.
        words: in how many of their captions each word is; a word without an entry is in none.
    """

    pictures: Annotated[int, Field(ge=1)]
    words: dict[str, Annotated[int, Field(ge=1)]]


class ConfidenceSpec(ManifestPart):
    """The calibration of captions; its arrays are in ``confidence.npz``.

    Attributes:
        definition: when a caption is right.
        classes: the words of each class that a caption can mention, by "kind/name", in the order
            of the arrays' rows.
        bias: log-odds of a mention of each kind if every signal is 0.
        weights: the weight of each signal.
        wording: the limits of the hedges.
        novelty: which pictures are not captioned.
        choice: which hypothesis is used; None means the search's best one.
    """

    definition: str
    classes: dict[Annotated[str, Field(pattern=r"^[a-z]+/[a-z]+(?:[ -][a-z]+)*$")], str]
    bias: dict[str, float]
    weights: MentionWeights
    wording: WordingSpec
    novelty: NoveltySpec
    choice: ChoiceSpec | None = None

    @model_validator(mode="after")
    def _every_kind_has_a_bias(self) -> Self:
        missing = {name.partition("/")[0] for name in self.classes} - self.bias.keys()
        if missing:
            raise ValueError(f"bias: missing for {', '.join(sorted(missing))}")
        return self


class Manifest(ManifestPart):
    """``manifest.json``; a part is None in bundles that were exported without it."""

    schema_version: int
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    created_at: str
    source_commit: str
    data_licence: str
    input: InputSpec
    search: SearchSpec
    files: dict[str, HashedFile]
    self_test: SelfTest
    confidence: ConfidenceSpec | None = None
    detector: DetectorSpec | None = None
    things: ThingsSpec | None = None
    names: NamesSpec | None = None
    said: SaidSpec | None = None
    training: dict[str, Any]
    metrics: dict[str, Any]

    def file_names(self) -> tuple[str, ...]:
        """Return the files that a bundle with this manifest must have, besides the manifest."""
        parts = (
            (CONFIDENCE, self.confidence),
            (DETECTOR, self.detector),
            (NAMES, self.names),
        )
        return (*HASHED_FILES, *(name for name, spec in parts if spec is not None))
