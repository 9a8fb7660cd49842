"""Compares a bundle with its Keras captioner: numbers per signature, words, scores, mistakes.

Nothing is written to ``models/`` unless every check passes. The thresholds and the reasons for them
are defined only here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seealoud.convert.export import whole_encoder
from seealoud.convert.variants import Variant
from seealoud.device.vision.beam_search import log_softmax
from seealoud.device.vision.manifest import DECODER, ENCODER
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Decoder, Encoder
from seealoud.device.vision.vocabulary import START
from seealoud.training.data.dataset import CaptionedPicture, Dataset, Split
from seealoud.training.encoders import default_cache_dir
from seealoud.training.errors import TrainingError
from seealoud.training.evaluate import Captions
from seealoud.training.features import read_picture
from seealoud.training.metrics.failures import Failures, count_failures
from seealoud.training.metrics.judgement import judge_split
from seealoud.training.model import BuiltCaptioner
from seealoud.training.records.confidence import Reliability
from seealoud.training.records.run import Bounds, Metrics

_LOGGER = logging.getLogger(__name__)

# float32 TFLite reorders sums: 3e-5 was measured on the grid (0..6), 1e-5 on logits.
LARGEST_FLOAT_DIFFERENCE = 1e-3
# int8 grids of EfficientNet-Lite0 measured 0.97..0.99; a wrong scale or channel order falls
# below 0.8.
SMALLEST_INT8_COSINE = 0.90
# Float words differ only where two beams are tied to the last bit.
SMALLEST_FLOAT_AGREEMENT = 0.97
# Largest loss of int8 against float32, CIDEr on dev.
LARGEST_CIDER_LOSS = 1.0
N_COMPARED = 50


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """How far each signature of each variant is from Keras, over ``N_COMPARED`` dev pictures.

    Attributes:
        encoder_float: largest absolute difference of the float grid.
        encoder_int8_cosine: mean cosine between int8 and Keras grids.
        prepare_and_step_float: largest absolute difference of the first word's log-probabilities.
        prepare_and_step_int8: mean absolute difference of the same, same features.
    """

    encoder_float: float
    encoder_int8_cosine: float
    prepare_and_step_float: float
    prepare_and_step_int8: float


def check_signatures(
    built: BuiltCaptioner,
    floating: Variant,
    quantized: Variant,
    pictures: Sequence[CaptionedPicture],
) -> SignatureCheck:
    """Compare each signature with Keras on the same input."""
    spec, encoder = built.spec, whole_encoder(built)
    squares = [preprocess(read_picture(p.path), spec.input_size_px) for p in pictures[:N_COMPARED]]
    normalised = [(s.astype(np.float32) - spec.mean) / spec.scale for s in squares]
    grids = [
        encoder(picture[None], training=False).numpy().reshape(-1, spec.channels)
        for picture in normalised
    ]
    keras_words = [_first_word_keras(built, grid) for grid in grids]
    float_encoder, int8_encoder = (_open_encoder(variant) for variant in (floating, quantized))
    float_words, int8_words = (
        [_first_word(decoder, grid) for grid in grids]
        for decoder in (Decoder(floating.path / DECODER), Decoder(quantized.path / DECODER))
    )
    return SignatureCheck(
        encoder_float=max(
            _largest(float_encoder.encode(s), g) for s, g in zip(squares, grids, strict=True)
        ),
        encoder_int8_cosine=float(
            np.mean(
                [_cosine(int8_encoder.encode(s), g) for s, g in zip(squares, grids, strict=True)]
            )
        ),
        prepare_and_step_float=max(
            _largest(a, b) for a, b in zip(float_words, keras_words, strict=True)
        ),
        prepare_and_step_int8=float(
            np.mean([np.abs(a - b).mean() for a, b in zip(int8_words, keras_words, strict=True)])
        ),
    )


@dataclass(frozen=True, slots=True)
class Mistakes:
    """The errors in a bundle's captions of test.

    Attributes:
        reliability: number and share of right captions.
        failures: counts by caption and by kind of word.
    """

    reliability: Reliability
    failures: Failures

    def facts(self) -> dict[str, Any]:
        """Return the numbers as the manifest states them."""
        return {
            "calibration": self.reliability.model_dump(mode="json"),
            "failures": self.failures.facts(),
        }


def count_mistakes(captions: Captions, dataset: Dataset, cache_dir: Path | None = None) -> Mistakes:
    """Return what captions of test get wrong.

    Raises:
        TrainingError: there are no captions, or Java failed.
    """
    cache = (cache_dir or default_cache_dir()) / "tokens"
    test = judge_split(captions, dataset.test, cache)
    return Mistakes(Reliability.of(test), count_failures(test.captions))


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was compared.

    Attributes:
        signatures: numbers per signature.
        float_agreement: share of dev captions in which float TFLite and Keras agree word by word.
        int8_agreement: the same of int8 and float TFLite.
        metrics: scores by variant ("keras", "float", "int8") and split ("dev", "test").
        int8_change: CIDEr of int8 - float by split, paired over the pictures.
        mistakes: mistakes of the int8 bundle; None: not judged.
    """

    signatures: SignatureCheck
    float_agreement: float
    int8_agreement: float
    metrics: dict[str, dict[Split, Metrics]]
    int8_change: dict[Split, Bounds]
    mistakes: Mistakes | None = None

    def facts(self) -> dict[str, Any]:
        """Return the numbers as the manifest states them."""
        return {
            "signatures": asdict(self.signatures),
            "float_agreement": self.float_agreement,
            "int8_agreement": self.int8_agreement,
            "scores": {
                variant: {split: _compact(metrics) for split, metrics in of_split.items()}
                for variant, of_split in self.metrics.items()
            },
            "int8_cider_change": {
                split: bounds.model_dump() for split, bounds in self.int8_change.items()
            },
            **(self.mistakes.facts() if self.mistakes else {}),
        }


def _compact(metrics: Metrics) -> dict[str, Any]:
    """Return estimates rounded to hundredths, CIDEr with its interval, precision by kind."""
    names = ("bleu_1", "bleu_4", "rouge_l", "cider")
    return {
        **{name: round(getattr(metrics, name).estimate, 2) for name in names},
        "meteor": None if metrics.meteor is None else round(metrics.meteor, 2),
        "cider_95": [round(metrics.cider.low, 2), round(metrics.cider.high, 2)],
        "distinct_words": metrics.distinct_words,
        "distinct_captions": metrics.distinct_captions,
        "mean_length_words": round(metrics.mean_length_words, 2),
        "precision": {
            kind: {"mentioned": tally.mentioned, "right": tally.right}
            for kind, tally in metrics.precision.items()
        },
    }


def require(verification: Verification) -> None:
    """Refuse a bundle whose captions are not those of the Keras captioner, or name nothing.

    Raises:
        TrainingError: naming every claim that does not hold.
    """
    signatures, loss = verification.signatures, -verification.int8_change["dev"].estimate
    claims = [
        ("float encoder differs from Keras by", signatures.encoder_float, LARGEST_FLOAT_DIFFERENCE),
        (
            "float decoder differs from Keras by",
            signatures.prepare_and_step_float,
            LARGEST_FLOAT_DIFFERENCE,
        ),
        (
            "int8 encoder's 1 - cosine is",
            1 - signatures.encoder_int8_cosine,
            1 - SMALLEST_INT8_COSINE,
        ),
        (
            "share of captions changed by float TFLite is",
            1 - verification.float_agreement,
            1 - SMALLEST_FLOAT_AGREEMENT,
        ),
        ("CIDEr lost by int8 on dev is", loss, LARGEST_CIDER_LOSS),
    ]
    broken = [
        f"{what} {value:.4g} (at most {limit:.4g})"
        for what, value, limit in claims
        if not value <= limit
    ]
    broken += [
        f"no caption of {split} mentions anything that can be judged: train the run for longer"
        for split, metrics in verification.metrics.get("int8", {}).items()
        if not any(tally.mentioned for tally in metrics.precision.values())
    ]
    if broken:
        raise TrainingError("verification failed, no bundle was written: " + "; ".join(broken))


def agreement(first: Captions, second: Captions) -> float:
    """Return the share of pictures with the very same caption, 0..1."""
    return sum(first[name].text == second[name].text for name in first) / len(first)


def _open_encoder(variant: Variant) -> Encoder:
    spec = variant.manifest.input
    return Encoder(variant.path / ENCODER, mean=spec.mean, scale=spec.scale, threads=None)


def _first_word(decoder: Decoder, grid: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    decoder.prepare(grid)
    tokens = np.full(decoder.beam_width, START, dtype=np.int32)
    logits, _ = decoder.step(tokens, decoder.initial_state(decoder.beam_width))
    return np.asarray(log_softmax(logits)[0])


def _first_word_keras(
    built: BuiltCaptioner, grid: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    decoder = built.model.decoder
    memory = decoder.prepare(grid[None])
    logits, _ = decoder.step(np.array([START], np.int32), memory, decoder.initial_state(1))
    return np.asarray(log_softmax(logits.numpy())[0])


def _largest(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    return float(np.abs(first - second).max())


def _cosine(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    a, b = first.ravel(), second.ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
