"""The verification: what it measures moves with every fault, and each broken claim is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
from support.smoke import NAME, Done, Smoke

from convert import verify
from convert.variants import Variant
from convert.verify import SignatureCheck, Verification, agreement, check_signatures, require
from device.records import Hypothesis
from device.vision.bundle import load_bundle
from training.data.dataset import CaptionedPicture
from training.data.readers import open_dataset
from training.errors import TrainingError
from training.model import BuiltCaptioner
from training.records.run import Bounds, KindTally, read_record
from training.run_folder import RunFolder, load_run

GOOD = Verification(
    signatures=SignatureCheck(
        encoder_float=3e-5,
        encoder_int8_cosine=0.97,
        prepare_and_step_float=1e-5,
        prepare_and_step_int8=0.01,
    ),
    float_agreement=0.99,
    int8_agreement=0.6,
    metrics={},
    int8_change={
        "dev": Bounds(estimate=-0.9, low=-1.5, high=0.1),
        "test": Bounds(estimate=-3.0, low=-4.0, high=-2.0),
    },
)


def with_signature(**values: float) -> Verification:
    return dataclasses.replace(GOOD, signatures=dataclasses.replace(GOOD.signatures, **values))


def with_change(dev: float) -> Verification:
    changed = {**GOOD.int8_change, "dev": Bounds(estimate=dev, low=-9.0, high=9.0)}
    return dataclasses.replace(GOOD, int8_change=changed)


def test_what_holds_is_let_through() -> None:
    require(GOOD)
    require(with_change(+5.0))
    require(with_change(-1.0))


BROKEN = {
    "float encoder": (
        with_signature(encoder_float=0.002),
        r"float encoder differs from Keras by 0\.002 \(at most 0\.001\)",
    ),
    "float decoder": (
        with_signature(prepare_and_step_float=0.5),
        r"float decoder differs from Keras by 0\.5 \(at most 0\.001\)",
    ),
    "int8 encoder": (
        with_signature(encoder_int8_cosine=0.8),
        r"int8 encoder's 1 - cosine is 0\.2 \(at most 0\.1\)",
    ),
    "float captions": (
        dataclasses.replace(GOOD, float_agreement=0.9),
        r"share of captions changed by float TFLite is 0\.1 \(at most 0\.03\)",
    ),
    "int8 captions": (with_change(-1.25), r"CIDEr lost by int8 on dev is 1\.25 \(at most 1\)"),
    "no number": (
        with_signature(encoder_float=float("nan"), encoder_int8_cosine=float("nan")),
        r"Keras by nan .*; int8 encoder's 1 - cosine is nan",
    ),
    "two at once": (
        dataclasses.replace(with_change(-7.0), float_agreement=0.5),
        r"is 0\.5 \(at most 0\.03\); CIDEr lost by int8 on dev is 7 ",
    ),
}


@pytest.mark.parametrize(("verification", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_claim_is_named_with_its_number(verification: Verification, message: str) -> None:
    with pytest.raises(TrainingError, match=f"^verification failed, no bundle was .*{message}"):
        require(verification)


def test_captions_that_mention_nothing_are_no_bundle(smoke: Smoke, converted: Done) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    record = read_record(smoke.records / f"{NAME}.json")
    silent = record.test.model_copy(
        update={
            "precision": {kind: KindTally(mentioned=0, right=0) for kind in record.test.precision}
        }
    )
    said = dataclasses.replace(with_change(0.0), metrics={"int8": {"test": record.test}})
    require(said)
    with pytest.raises(TrainingError, match="no caption of test mentions anything"):
        require(dataclasses.replace(said, metrics={"int8": {"test": silent}}))


def test_only_what_is_broken_is_named() -> None:
    with pytest.raises(TrainingError) as caught:
        require(with_change(-2.0))
    assert str(caught.value).count("at most") == 1


def test_agreement_is_of_whole_captions() -> None:
    def said(*texts: str) -> dict[str, Hypothesis]:
        return {f"{k}.jpg": Hypothesis(text, -1.0, -0.5) for k, text in enumerate(texts)}

    assert agreement(said("a dog", "a cat"), said("a dog", "a cat")) == 1
    assert agreement(said("a dog", "a cat"), said("a dog", "a cats")) == 0.5
    assert agreement(said("a dog"), said("")) == 0


# --- on the tiny run --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Compared:
    built: BuiltCaptioner
    floating: Variant
    quantized: Variant
    pictures: tuple[CaptionedPicture, ...]

    def check(self, **changes: Variant) -> SignatureCheck:
        changed = dataclasses.replace(self, **changes)
        return check_signatures(changed.built, changed.floating, changed.quantized, self.pictures)


def variant(smoke: Smoke, name: str) -> Variant:
    path = smoke.run / name
    return Variant(path, load_bundle(path).manifest)


@pytest.fixture(scope="module")
def compared(smoke: Smoke, converted: Done) -> Iterator[Compared]:
    assert converted.returncode == 0, converted.stderr[-2000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEALOUD_CACHE", str(smoke.cache))
        built = load_run(RunFolder(smoke.run))[1]
        whole = verify.whole_encoder(built)
        patch.setattr(verify, "whole_encoder", lambda built: whole)
        pictures = open_dataset(smoke.data).dev[:3]
        yield Compared(built, variant(smoke, "float32"), variant(smoke, "int8"), pictures)


slow = pytest.mark.slow
saving = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


@slow
@saving
def test_what_was_exported_is_what_was_trained(compared: Compared) -> None:
    check = compared.check()
    require(dataclasses.replace(GOOD, signatures=check))
    assert 0 < check.encoder_float < verify.LARGEST_FLOAT_DIFFERENCE / 5
    assert verify.SMALLEST_INT8_COSINE < check.encoder_int8_cosine < 1
    assert check.prepare_and_step_float < verify.LARGEST_FLOAT_DIFFERENCE / 5
    assert check.prepare_and_step_float < check.prepare_and_step_int8 < 0.1


@slow
@saving
def test_exchanged_variants_are_noticed(compared: Compared) -> None:
    check = compared.check(floating=compared.quantized, quantized=compared.floating)
    assert check.encoder_float > verify.LARGEST_FLOAT_DIFFERENCE
    assert check.prepare_and_step_float > verify.LARGEST_FLOAT_DIFFERENCE
    assert check.encoder_int8_cosine == pytest.approx(1, abs=1e-5)


def other_mean(found: Compared, name: str) -> Variant:
    of_name: Variant = getattr(found, name)
    wrong = of_name.manifest.input.model_copy(update={"mean": 60.0})
    return Variant(of_name.path, of_name.manifest.model_copy(update={"input": wrong}))


@slow
@saving
def test_a_wrong_mean_in_the_manifest_is_noticed(compared: Compared) -> None:
    check = compared.check(
        floating=other_mean(compared, "floating"), quantized=other_mean(compared, "quantized")
    )
    assert check.encoder_float > verify.LARGEST_FLOAT_DIFFERENCE
    assert check.encoder_int8_cosine < verify.SMALLEST_INT8_COSINE


@slow
@saving
@pytest.mark.parametrize(
    "pick",
    [
        lambda decoder: decoder.embedding,
        lambda decoder: decoder.grid_in.kernel,
        lambda decoder: decoder.decoder_layers[0].grid.value.kernel,
        lambda decoder: decoder.words_out_norm.beta,
    ],
    ids=["embedding", "grid_in", "cross-attention", "last norm"],
)
def test_one_other_weight_of_the_decoder_is_noticed(
    pick: Callable[[keras.Model], keras.Variable], compared: Compared
) -> None:
    weight = pick(compared.built.model.decoder)
    kept = weight.numpy()
    weight.assign(kept + np.random.default_rng(1).normal(0, 0.05, kept.shape))
    try:
        check = compared.check()
    finally:
        weight.assign(kept)
    assert check.prepare_and_step_float > verify.LARGEST_FLOAT_DIFFERENCE
