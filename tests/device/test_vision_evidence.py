"""Which pictures are unlike all training pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.confident_bundle import arrays, confident_bundle
from support.tiny_bundle import change_manifest

from seealoud.device.errors import BundleError, BundleHashError
from seealoud.device.vision.bundle import file_entry, load_bundle
from seealoud.device.vision.confidence import ConfidenceModel
from seealoud.device.vision.evidence import ConfidenceArrays, Novelty
from seealoud.device.vision.manifest import CONFIDENCE, NoveltySpec

HALF = NoveltySpec(largest=0.5)


@pytest.mark.parametrize(
    ("pooled", "distance"),
    [
        ((0.1, 0, 0, 0), 0.0),
        ((0, 0, 0, 5), 0.0),
        ((0, 0, 0.1, 0), 1.0),
        ((0.36, 0, 0.64, 0), 0.64),
        ((0.5, 0.1, 0.1, 0.3), 0.2),
        ((0.5, -9, 0, 0.3), 0.0),
        ((0, 0, 0, 0), 1.0),
    ],
)
def test_the_distance_is_the_share_beside_what_is_familiar(
    pooled: tuple[float, ...], distance: float
) -> None:
    novelty = Novelty(HALF, arrays())  # red and light are familiar
    found = np.array(pooled, np.float32)
    assert novelty.distance(found) == pytest.approx(distance, abs=1e-6)
    assert novelty.of(found) == (distance > 0.5)


@given(st.lists(st.floats(0, 1e4, width=32), min_size=4, max_size=4), st.floats(0.01, 100))
def test_weak_or_strong_makes_no_difference(channels: list[float], scale: float) -> None:
    novelty = Novelty(HALF, arrays())
    pooled = np.array(channels, np.float32)
    if np.linalg.norm(pooled) < 1:
        return
    one, other = (novelty.distance(pooled * np.float32(s)) for s in (1.0, scale))
    assert 0 <= one <= 1
    assert one == pytest.approx(other, abs=1e-3)


# --- the file ---------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bundle = load_bundle(confident_bundle(tmp_path / "bundle"))
    assert bundle.manifest.confidence is not None
    found = ConfidenceArrays.read(bundle.confidence, bundle.manifest.confidence)
    for name in ("mean_d", "axes_dk", "class_weights_ck", "class_bias_c", "familiar_da"):
        assert np.array_equal(getattr(found, name), getattr(arrays(), name))
        assert getattr(found, name).dtype == np.float32


def test_the_same_arrays_make_the_same_file(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        arrays().write(tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        ConfidenceModel(load_bundle(folder))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = confident_bundle(tmp_path / "bundle")
    (folder / CONFIDENCE).write_bytes(b"")
    with pytest.raises(BundleHashError, match=CONFIDENCE):
        load_bundle(folder)


def test_a_file_without_its_hash_is_refused(tmp_path: Path) -> None:
    folder = confident_bundle(tmp_path / "bundle")
    files = load_bundle(folder).manifest.files
    kept = {name: entry.model_dump() for name, entry in files.items() if name != CONFIDENCE}
    change_manifest(folder, {"files": kept})
    assert f"no hash for {CONFIDENCE}" in refusal(folder)


def with_file(folder: Path, content: bytes) -> Path:
    (folder / CONFIDENCE).write_bytes(content)
    change_manifest(folder, {f"files/{CONFIDENCE}": file_entry(folder / CONFIDENCE).model_dump()})
    return folder


@pytest.mark.parametrize("content", [b"", b"no arrays", b"PK\x03\x04"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = with_file(confident_bundle(tmp_path / "bundle"), content)
    assert f"cannot read {folder / CONFIDENCE}" in refusal(folder)


def test_a_file_without_an_array_is_refused(tmp_path: Path) -> None:
    folder = confident_bundle(tmp_path / "bundle")
    np.savez(tmp_path / "less.npz", mean_d=np.zeros(4, np.float32))
    with_file(folder, (tmp_path / "less.npz").read_bytes())
    assert "axes_dk" in refusal(folder)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    folder = confident_bundle(tmp_path / "bundle")
    np.savez(tmp_path / "evil.npz", mean_d=np.array([{}], object))
    with_file(folder, (tmp_path / "evil.npz").read_bytes())
    assert "cannot read" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": {"colour/red": "red"}}, "class_weights_ck is (4, 4), expected (1, 4)"),
        ({"novelty": {"axes": 9, "largest": 0.5}}, "novelty.axes: Extra inputs are not permitted"),
        ({"wording": {"plain": 0.1, "think": 0.4, "maybe": 0.1}}, "must not rise"),
        ({"bias": {"colour": 0.0}}, "bias: missing for subject"),
        ({"weights": {"word_log_prob": 0.5}}, "confidence.weights.mean_log_prob: Field required"),
        ({"more": 1}, "confidence.more: Extra inputs are not permitted"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    assert said in refusal(confident_bundle(tmp_path / "bundle", **changes))


def test_a_class_of_words_that_the_bundle_cannot_say_is_refused(tmp_path: Path) -> None:
    classes = {"colour/red": "red", "colour/green": "green", "colour/blue": "blue mauve"}
    folder = confident_bundle(tmp_path / "bundle", classes={**classes, "subject/picture": "a"})
    assert "confidence.classes: 'mauve' is not a word of the bundle" in refusal(folder)
