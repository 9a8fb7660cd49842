"""What a manifest states of the models that name things: detector, names, and what both are worth.

Invariant: a specification that these models accept is consistent in itself.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ManifestPart(BaseModel):
    """A group of the manifest: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ThingWeights(ManifestPart):
    """Log-odds that a thing is there: bias + weights * log-odds of what each model gives.

    Attributes:
        bias: where both are even.
        detector: per unit of the log-odds of the detector's best score.
        names: per unit of the log-odds of the encoder's name.
        mentioned: where the captioner's words name the thing.
    """

    bias: float
    detector: float = 0.0
    names: float = 0.0
    mentioned: float = 0.0


class ThingsSpec(ManifestPart):
    """What a named thing is worth, and from when on it is said (``device.vision.thing_finder``).

    Attributes:
        detector_only: for names that only the detector knows.
        names_only: for names that only the encoder's layer knows.
        both: for names that both know.
        missed: for names that both know where the detector found nothing; None takes ``both``.
        sure: least probability of a thing that is said plainly.
        maybe: least probability of one that is said as possible.
        several_from: least score of each of several that are said to be several.
        nobody_below: nobody is in view where the best score of a person is below it and ...
        nobody_seen_below: ... the log-odds that the encoder sees one are below this.
        never: names that are more often wrong than right, and so never said.
    """

    detector_only: ThingWeights
    names_only: ThingWeights
    both: ThingWeights
    missed: ThingWeights | None = None
    sure: Annotated[float, Field(ge=0, le=1)]
    maybe: Annotated[float, Field(ge=0, le=1)]
    several_from: Annotated[float, Field(ge=0, le=1)]
    nobody_below: Annotated[float, Field(ge=0, le=1)]
    nobody_seen_below: float
    never: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.sure < self.maybe:
            raise ValueError(f"sure {self.sure}, maybe {self.maybe}: must not rise")
        return self


class DetectorSelfTest(ManifestPart):
    """What a generated picture (``device.vision.bundle``) gave on the machine that exported it.

    Attributes:
        pattern: number of the generated picture.
        mean_log_odds: over all cells and classes.
        largest_log_odds: over all cells and classes.
    """

    pattern: Annotated[int, Field(ge=0)]
    mean_log_odds: float
    largest_log_odds: float


class DetectorSpec(ManifestPart):
    """The detector in ``detector.tflite``: RGB, normalised = (pixel - mean) / scale.

    Attributes:
        size_px: side of the square into which the whole frame is fitted.
        mean: what is subtracted from a pixel (0..255).
        scale: what the difference is divided by.
        stride_px: input pixels from one cell of its maps to the next.
        classes: names in the order of the map's channels.
        source: the package and version that its weights come from, and the file therein.
        licence: of these weights, as the package states it.
        self_test: what it must find.
    """

    size_px: Annotated[int, Field(ge=1)]
    mean: float
    scale: Annotated[float, Field(gt=0)]
    stride_px: Annotated[int, Field(ge=1)]
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    source: str
    licence: str
    self_test: DetectorSelfTest

    @model_validator(mode="after")
    def _has_whole_cells(self) -> Self:
        if self.size_px % self.stride_px:
            raise ValueError(f"size_px {self.size_px}: no multiple of stride_px {self.stride_px}")
        return self


class NameSpec(ManifestPart):
    """A thing that the encoder's features can name.

    Attributes:
        name: e.g. "couch".
        phrase: as it is said, e.g. "a couch", "sunglasses".
        broader: another of the names that is true of it as well, e.g. "animal" of "dog".
        shift: log-odds that are added to this name's, so that its probability can be believed.
        threshold: the least probability at which it may be said without "maybe"; None is never
            said and only takes its share of the probability.
        words: what confirms it in a caption, singular and plural, some of several words.
    """

    name: Annotated[str, Field(min_length=1)]
    phrase: Annotated[str, Field(min_length=1)]
    broader: str | None = None
    shift: float
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    words: Annotated[tuple[str, ...], Field(min_length=1)]


class NamesSpec(ManifestPart):
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
