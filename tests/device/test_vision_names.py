"""Everyday names of pooled features."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.named_bundle import SPEC, STEEP, arrays, named_bundle
from support.tiny_bundle import TINY_BUNDLE, change_manifest

from device.errors import BundleError, BundleHashError
from device.vision.bundle import file_entry, load_bundle
from device.vision.manifest import NAMES
from device.vision.names import (
    NameClassifier,
    NamedThing,
    NamesArrays,
    membership,
)
from device.vision.specs import NamesSpec

RED = np.array([1, 0, 0, 0], np.float32)
RED_AND_GREEN = np.array([1, 1, 0, 0], np.float32)
BLUE = np.array([0, 0, 1, 0], np.float32)


def named(folder: Path, pooled: np.ndarray, **changes: Any) -> dict[str, NamedThing]:
    classifier = NameClassifier(load_bundle(named_bundle(folder, **changes)))
    return {thing.name: thing for thing in classifier.names(pooled)}


def test_a_name_has_its_share_of_the_softmax(tmp_path: Path) -> None:
    found = named(tmp_path / "bundle", RED)
    others = 3.0  # pear, sea and anything else, each exp(0)
    assert found["apple"].probability == pytest.approx(
        math.exp(STEEP) / (math.exp(STEEP) + others), abs=1e-6
    )
    assert found["pear"].probability < 1e-4


def test_a_broader_name_is_as_likely_as_its_narrower_ones_together(tmp_path: Path) -> None:
    found = named(tmp_path / "bundle", RED_AND_GREEN)
    assert found["apple"].probability == pytest.approx(0.5, abs=1e-3)
    assert found["pear"].probability == pytest.approx(0.5, abs=1e-3)
    assert found["fruit"].probability > 0.99


def test_the_likeliest_comes_first(tmp_path: Path) -> None:
    classifier = NameClassifier(load_bundle(named_bundle(tmp_path / "bundle")))
    probabilities = [thing.probability for thing in classifier.names(RED_AND_GREEN)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert classifier.names(RED_AND_GREEN)[0].name == "fruit"


def test_what_is_never_said_takes_its_share_and_is_not_returned(tmp_path: Path) -> None:
    found = named(tmp_path / "bundle", BLUE)
    assert set(found) == {"apple", "pear", "fruit"}
    assert max(thing.probability for thing in found.values()) < 0.01


def test_slope_and_shift_scale_the_log_odds(tmp_path: Path) -> None:
    names = [{**name, "shift": -1.0} for name in SPEC["names"]]
    found = named(tmp_path / "bundle", RED_AND_GREEN, slope=2.0, names=names)
    assert found["apple"].probability == pytest.approx(1 / (1 + math.exp(1)), abs=1e-3)


def test_membership_follows_every_step() -> None:
    assert membership({"animal": None, "bird": "animal", "owl": "bird"}).tolist() == [
        [1, 0, 0],
        [1, 1, 0],
        [1, 1, 1],
    ]


def test_weights_in_one_byte_are_off_by_half_a_step_at_most() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(40, 5)).astype(np.float32) * np.array([1, 10, 0.1, 0, 3], np.float32)
    stored = NamesArrays.quantized(weights, np.zeros(5, np.float32))
    assert stored.weights_dn.dtype == np.int8
    assert (np.abs(stored.float_weights() - weights) <= 0.501 * stored.scale_n).all()


def test_a_press_hardly_waits_for_names(tmp_path: Path) -> None:
    names = [{**SPEC["names"][3], "name": f"thing {i}", "threshold": 0.5} for i in range(350)]
    folder = named_bundle(tmp_path / "bundle", names=names)
    rng = np.random.default_rng(0)
    NamesArrays.quantized(rng.normal(size=(1280, 351)), np.zeros(351, np.float32)).write(
        folder / NAMES
    )
    change_manifest(folder, {f"files/{NAMES}": file_entry(folder / NAMES).model_dump()})
    classifier = NameClassifier(load_bundle(folder))
    pooled = rng.random(1280, np.float32)
    took = []
    for _ in range(50):
        began = time.perf_counter()
        classifier.names(pooled)
        took.append(time.perf_counter() - began)
    assert min(took) < 2e-3  # 0.2 ms on x86_64; a busy machine takes longer


# --- the bundle -------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bundle = load_bundle(named_bundle(tmp_path / "bundle"))
    assert bundle.manifest.names is not None
    found = NamesArrays.read(bundle.names, bundle.manifest.names)
    for name in ("weights_dn", "scale_n", "bias_n"):
        assert np.array_equal(getattr(found, name), getattr(arrays(), name))


def test_a_bundle_without_names_is_one_still() -> None:
    bundle = load_bundle(TINY_BUNDLE)
    assert bundle.manifest.names is None
    assert NAMES not in bundle.manifest.file_names()
    with pytest.raises(BundleError, match=r"has no names: add them with python -m convert\.names"):
        NameClassifier(bundle)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = named_bundle(tmp_path / "bundle")
    (folder / NAMES).write_bytes(b"")
    with pytest.raises(BundleHashError, match=NAMES):
        load_bundle(folder)


def test_a_file_without_its_hash_is_refused(tmp_path: Path) -> None:
    folder = named_bundle(tmp_path / "bundle")
    files = load_bundle(folder).manifest.files
    kept = {name: entry.model_dump() for name, entry in files.items() if name != NAMES}
    change_manifest(folder, {"files": kept})
    with pytest.raises(BundleError, match=f"no hash for {NAMES}"):
        load_bundle(folder)


@pytest.mark.parametrize("content", [b"", b"no archive", "two names"])
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, content: bytes | str) -> None:
    folder = named_bundle(tmp_path / "bundle")
    if isinstance(content, str):
        zeros = np.zeros((4, 3), np.float32)
        NamesArrays.quantized(zeros, zeros[0]).write(folder / NAMES)
    else:
        (folder / NAMES).write_bytes(content)
    change_manifest(folder, {f"files/{NAMES}": file_entry(folder / NAMES).model_dump()})
    with pytest.raises(BundleError, match=NAMES):
        NameClassifier(load_bundle(folder))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ({"name": "apple"}, "twice"),
        ({"broader": "vegetable"}, "'vegetable' of 'pear'"),
        ({"broader": "pear"}, "'pear' of 'pear'"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"sure": True}, "Extra inputs"),
    ],
)
def test_names_that_make_no_sense_are_refused(name: dict[str, Any], reason: str) -> None:
    apple, pear, *others = SPEC["names"]
    with pytest.raises(ValueError, match=reason):
        NamesSpec.model_validate({**SPEC, "names": [apple, {**pear, **name}, *others]})
