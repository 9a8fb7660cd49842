"""A bundle: everything that captioning needs, in one folder, with a manifest that vouches for it.

Invariant: ``load_bundle`` never guesses. What the manifest does not state or what does not match
its hash is refused, with the reason.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from device.decoding import SearchOptions
from device.errors import BundleError, BundleHashError
from device.vocabulary import Vocabulary

SCHEMA = 1
MANIFEST = "manifest.json"
ENCODER = "encoder.tflite"
DECODER = "decoder.tflite"
VOCABULARY = "vocabulary.txt"
CONFIDENCE = "confidence.npz"
NAMES = "names.npz"
HASHED_FILES = (ENCODER, DECODER, VOCABULARY)

_ENVIRONMENT = "SEEALOUD_BUNDLE"
_SHIPPED_FOLDER = Path(__file__).resolve().parent.parent / "models"
_DEFAULT_NAME_FILE = "DEFAULT"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HashedFile(_Strict):
    """A file of the bundle; after a power cut it may be an empty one."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class InputSpec(_Strict):
    """What the encoder takes: normalised = (pixel - mean) / scale, pixels 0..255.

    With ``mirrored`` it takes the mirror image as well, and the decoder the mean of both grids.
    """

    size_px: Annotated[int, Field(ge=1)]
    mean: float
    scale: Annotated[float, Field(gt=0)]
    mirrored: bool = False


class SearchSpec(_Strict):
    """The search that was chosen on dev."""

    beam_width: Annotated[int, Field(ge=1)]
    max_words: Annotated[int, Field(ge=1)]
    length_penalty: Annotated[float, Field(ge=0, le=2)]

    def options(self) -> SearchOptions:
        """Return the same for ``decoding.search``."""
        return SearchOptions(self.beam_width, self.max_words, self.length_penalty)


class SelfTest(_Strict):
    """How likely the bundle must find some words for a generated picture (``device.selftest``).

    Attributes:
        pattern: number of the generated picture.
        ids: word ids of the best hypothesis.
        log_probability: natural log of these words and the end mark, on the machine that
            exported the bundle.
    """

    pattern: Annotated[int, Field(ge=0)]
    ids: list[int]
    log_probability: float


class MentionWeights(_Strict):
    """Log-odds that a reference confirms a mention, per unit of each signal.

    Attributes:
        word_log_prob: of the natural-log probability of the mentioned word.
        mean_log_prob: of the mean of the caption's words and end mark.
        seen_log_odds: of the log-odds that the encoder's features show the class.
    """

    word_log_prob: float
    mean_log_prob: float
    seen_log_odds: float


class WordingSpec(_Strict):
    """From which probability on a caption is said plainly, with "I think", with "maybe"."""

    plain: Annotated[float, Field(ge=0, le=1)]
    think: Annotated[float, Field(ge=0, le=1)]
    maybe: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if not self.plain >= self.think >= self.maybe:
            raise ValueError(
                f"plain {self.plain}, think {self.think}, maybe {self.maybe}: must not rise"
            )
        return self


class NoveltySpec(_Strict):
    """When a picture is unlike anything trained on.

    Attributes:
        largest: distance from what training pictures looked like that is still familiar, 0..1; see
            ``device.confidence.novelty``.
    """

    largest: Annotated[float, Field(ge=0, le=1)]


class ConfidenceSpec(_Strict):
    """How far a caption can be trusted; its arrays are in ``confidence.npz``.

    Attributes:
        definition: when a caption is right.
        classes: the words of each class that a caption can mention, by "kind/name", in the order
            of the arrays' rows.
        bias: log-odds of a mention of each kind where every signal is 0.
        weights: what each signal adds.
        wording: how sure to sound.
        novelty: what not to caption at all.
    """

    definition: str
    classes: dict[Annotated[str, Field(pattern=r"^[a-z]+/[a-z]+$")], str]
    bias: dict[str, float]
    weights: MentionWeights
    wording: WordingSpec
    novelty: NoveltySpec

    @model_validator(mode="after")
    def _every_kind_has_a_bias(self) -> Self:
        missing = {name.partition("/")[0] for name in self.classes} - self.bias.keys()
        if missing:
            raise ValueError(f"bias: none for {', '.join(sorted(missing))}")
        return self


class NameSpec(_Strict):
    """A thing that the encoder's features can name.

    Attributes:
        name: e.g. "couch".
        phrase: as it is said, e.g. "a couch", "sunglasses".
        broader: another of the names that is true of it as well, e.g. "animal" of "dog".
        shift: log-odds that are added to this name's, so that its probability can be believed.
        threshold: the least probability at which it may be said without "maybe"; None is never
            said and only takes its share of the probability.
        words: what confirms it in a caption, singular and plural, some of several words; the
            words of narrower names do as well.
    """

    name: Annotated[str, Field(min_length=1)]
    phrase: Annotated[str, Field(min_length=1)]
    broader: str | None = None
    shift: float
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    words: Annotated[tuple[str, ...], Field(min_length=1)]


class NamesSpec(_Strict):
    """What can be named from the pooled features; the arrays are in ``names.npz``.

    Attributes:
        definition: what a name's probability is the probability of.
        slope: what the layer's log-odds are multiplied by before a name's shift is added.
        names: in the order of the arrays' columns.
    """

    definition: str
    slope: Annotated[float, Field(gt=0)]
    names: Annotated[tuple[NameSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_there_once(self) -> Self:
        broader = {found.name: found.broader for found in self.names}
        if len(broader) < len(self.names):
            raise ValueError("names: one is there twice")
        for name in broader:
            above, seen = broader[name], {name}
            while above is not None:
                if above in seen or above not in broader:
                    raise ValueError(f"broader: {above!r} of {name!r} is none of the other names")
                seen.add(above)
                above = broader[above]
        return self


class Manifest(_Strict):
    """``manifest.json``; a bundle from before a part that may be None states none."""

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
    names: NamesSpec | None = None
    training: dict[str, Any]
    metrics: dict[str, Any]

    def file_names(self) -> tuple[str, ...]:
        """Return the files that a bundle with this manifest must have, besides the manifest."""
        parts = ((CONFIDENCE, self.confidence), (NAMES, self.names))
        return (*HASHED_FILES, *(name for name, spec in parts if spec is not None))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files match its manifest.

    Attributes:
        path: its folder.
        manifest: what it states of itself.
        vocabulary: its words.
    """

    path: Path
    manifest: Manifest
    vocabulary: Vocabulary

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.manifest.name

    @property
    def encoder(self) -> Path:
        """The encoder's model."""
        return self.path / ENCODER

    @property
    def decoder(self) -> Path:
        """The decoder's model."""
        return self.path / DECODER

    @property
    def confidence(self) -> Path:
        """The arrays of ``manifest.confidence``; there is no file where that is None."""
        return self.path / CONFIDENCE

    @property
    def names(self) -> Path:
        """The arrays of ``manifest.names``; there is no file where that is None."""
        return self.path / NAMES


def find_bundle(name_or_path: str | None = None) -> Path:
    """Return the folder of a bundle.

    Args:
        name_or_path: a folder, or the name of a shipped bundle; None takes
            ``$SEEALOUD_BUNDLE``, else the shipped default (``models/DEFAULT`` names it).

    Raises:
        BundleError: there is none.
    """
    wanted = name_or_path or os.environ.get(_ENVIRONMENT) or _default_name()
    for folder in (Path(wanted), _SHIPPED_FOLDER / wanted):
        # Not Path.is_file: that raises where we stand in a folder which we may not look into.
        if os.path.isfile(folder / MANIFEST):
            return folder
    raise BundleError(
        f"no bundle {wanted!r}: neither {Path(wanted) / MANIFEST} nor "
        f"{_SHIPPED_FOLDER / wanted / MANIFEST} exists; shipped are: {_shipped_names() or 'none'}"
    )


def load_bundle(path: Path) -> Bundle:
    """Return the bundle in a folder, every file checked against the manifest.

    Raises:
        BundleError: the manifest is missing or wrong, a file is missing, or the bundle needs a
            newer SeeAloud.
        BundleHashError: a file differs from its hash.
    """
    manifest = _read_manifest(path / MANIFEST)
    for name in manifest.file_names():
        if name not in manifest.files:
            raise BundleError(f"{path / MANIFEST} has no hash for {name}; export the bundle again")
        _check_hash(path / name, manifest.files[name])
    vocabulary = Vocabulary.read(path / VOCABULARY)
    unknown = [number for number in manifest.self_test.ids if not 0 <= number < len(vocabulary)]
    if unknown:
        raise BundleError(
            f"{path / MANIFEST}: self_test.ids: {unknown[0]} is no word of {VOCABULARY}; "
            "export the bundle again"
        )
    return Bundle(path, manifest, vocabulary)


def file_entry(path: Path) -> HashedFile:
    """Return a file's size and SHA-256 as the manifest states them."""
    content = path.read_bytes()
    return HashedFile(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _read_manifest(path: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise BundleError(f"no bundle in {path.parent}: cannot read {path.name}: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(
            f"{path}: {key}: {first['msg']}; the bundle is broken or of another version, "
            "export it again"
        ) from exc
    if manifest.schema_version != SCHEMA:
        raise BundleError(
            f"{path} is of schema {manifest.schema_version}, this SeeAloud reads {SCHEMA}: "
            "update SeeAloud or export the bundle again"
        )
    return manifest


def _check_hash(path: Path, expected: HashedFile) -> None:
    try:
        found = file_entry(path)
    except OSError as exc:
        raise BundleError(f"cannot read {path}: {exc}; copy the bundle again") from exc
    if found != expected:
        raise BundleHashError(
            f"{path} is not the file that the manifest vouches for (sha256 {found.sha256[:12]}…, "
            f"expected {expected.sha256[:12]}…): copy the bundle again"
        )


def _default_name() -> str:
    path = _SHIPPED_FOLDER / _DEFAULT_NAME_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "default"


def _shipped_names() -> str:
    return ", ".join(sorted(path.parent.name for path in _SHIPPED_FOLDER.glob(f"*/{MANIFEST}")))
