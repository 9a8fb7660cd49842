"""The parts of a manifest about naming things: detector, names, and their weights.

Invariant: a specification that these models accept is consistent.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ManifestPart(BaseModel):
    """A group of the manifest: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ThingWeights(ManifestPart):
    """Log-odds that a thing is there: bias + weights * log-odds from each model.

    Attributes:
        bias: the log-odds if those of both models are 0.
        detector: weight of the log-odds of the detector's best score.
        names: weight of the log-odds of the encoder's name.
        mentioned: added if the caption names the thing.
    """

    bias: float
    detector: float = 0.0
    names: float = 0.0
    mentioned: float = 0.0


class ThingsSpec(ManifestPart):
    """The weights of things, and the limits for naming them (``seealoud.device.vision.sighting``).

    Attributes:
        detector_only: for names that only the detector knows.
        names_only: for names that only the encoder's layer knows.
        both: for names that both know.
        missed: for names that both know if the detector found nothing; None means ``both``.
        sure: least probability of a thing that is named without "maybe".
        maybe: least probability of a thing that is named as possible.
        several_from: least score of each detection that counts for "several".
        nobody_below: nobody is in view if the best score of a person is below this limit and ...
        nobody_seen_below: ... the log-odds that the encoder sees a person are below this one.
        never: names that are more often wrong than right, and therefore never used.
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
    """The outputs for a generated picture on the machine that exported the bundle.

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
        mean: subtracted from each pixel (0..255).
        scale: divisor of the difference.
        stride_px: input pixels from one cell of its maps to the next.
        classes: names in the order of the map's channels.
        source: the package and version that its weights come from, and the file therein.
        licence: the licence of these weights according to the package.
        self_test: the expected outputs for a generated picture.
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
            raise ValueError(
                f"size_px {self.size_px}: not a multiple of stride_px {self.stride_px}"
            )
        return self


class NameSpec(ManifestPart):
    """A name for what the encoder's features show.

    Attributes:
        name: e.g. "couch".
        phrase: the spoken form, e.g. "a couch", "sunglasses".
        broader: a broader one of the names, e.g. "animal" for "dog".
        shift: added to this name's log-odds for calibration.
        threshold: the least probability at which it may be named without "maybe"; None is never
            named and only takes its share of the probability.
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
        definition: the event whose probability a name's probability is.
        slope: factor of the layer's log-odds before a name's shift is added.
        names: in the order of the arrays' columns.
    """

    definition: str
    slope: Annotated[float, Field(gt=0)]
    names: Annotated[tuple[NameSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_there_once(self) -> Self:
        broader = {found.name: found.broader for found in self.names}
        if len(broader) < len(self.names):
            raise ValueError("names: a name occurs twice")
        for name in broader:
            above, seen = broader[name], {name}
            while above is not None:
                if above in seen or above not in broader:
                    raise ValueError(
                        f"broader: {above!r} of {name!r} is not one of the other names"
                    )
                seen.add(above)
                above = broader[above]
        return self
