"""The detector on the tiny model, whose answers are known; what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import tiny_detector as tiny
from support.tiny_bundle import TINY_BUNDLE, change_manifest

from seealoud.device.errors import BundleError, BundleHashError, InferenceError
from seealoud.device.vision.bundle import file_entry, load_bundle
from seealoud.device.vision.detector import LEAST_SCORE, Detection, Detector
from seealoud.device.vision.manifest import DETECTOR, ENCODER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.detector_bundle(tmp_path / "bundle")


@pytest.fixture
def detector(folder: Path) -> Detector:
    return Detector(load_bundle(folder), threads=1)


def test_a_thing_has_its_name_score_and_box(detector: Detector) -> None:
    image = tiny.frame(64, 64)
    image[20:24, 32:36, 0] = 255  # one cell of pure red
    (found,) = detector.detect(image)
    assert found.name == "person"
    assert found.score == pytest.approx(1 / (1 + np.exp(-tiny.PEAK)), abs=0.01)
    sides = (found.left, found.top, found.right, found.bottom)
    assert sides == pytest.approx((28 / 64, 12 / 64, 44 / 64, 36 / 64))
    assert found.middle_x == pytest.approx(36 / 64)
    assert found.area == pytest.approx(16 / 64 * 24 / 64)


def test_things_come_by_falling_score_none_below_the_floor(detector: Detector) -> None:
    image = tiny.frame(64, 64)
    image[8:12, 8:12, 0] = 230
    image[40:44, 40:44, 2] = 255
    image[40:44, 8:12, 0] = 80  # log-odds -3.4
    found = detector.detect(image)
    assert [thing.name for thing in found] == ["cat", "person"]
    assert found[0].score > found[1].score >= LEAST_SCORE


def test_nothing_is_found_on_black(detector: Detector) -> None:
    assert detector.detect(tiny.frame(64, 64)) == ()


def test_blue_is_not_red(detector: Detector) -> None:
    """The channels are taken as RGB."""
    image = tiny.frame(64, 64)
    image[20:24, 32:36, 2] = 255
    assert [thing.name for thing in detector.detect(image)] == ["cat"]


@pytest.mark.parametrize(("height_px", "width_px"), [(128, 256), (480, 640), (640, 480)])
@pytest.mark.parametrize("middle", [0.1, 0.5, 0.9])
def test_a_side_is_of_the_whole_frame(
    detector: Detector, height_px: int, width_px: int, middle: float
) -> None:
    image = tiny.frame(height_px, width_px)
    half_px = max(height_px, width_px) // 12
    column = round(middle * width_px)
    rows = slice(height_px // 2 - half_px, height_px // 2 + half_px)
    image[rows, max(0, column - half_px) : column + half_px, 0] = 255
    found = detector.detect(image)
    assert found
    assert all(thing.name == "person" for thing in found)
    nearest = min(found, key=lambda thing: abs(thing.middle_x - middle))
    assert nearest.middle_x == pytest.approx(middle, abs=0.15)
    assert all(0 <= thing.left <= thing.right <= 1 for thing in found)
    assert all(0 <= thing.top <= thing.bottom <= 1 for thing in found)


def test_the_same_picture_gives_the_same_things(detector: Detector) -> None:
    image = np.random.default_rng(5).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    assert detector.detect(image) == detector.detect(image)


def test_a_closed_one_says_so(detector: Detector) -> None:
    detector.close()
    detector.close()
    with pytest.raises(InferenceError, match="closed"):
        detector.detect(tiny.frame(9, 9))


def test_a_detection_is_a_value() -> None:
    assert Detection("cat", 0.5, 0, 0, 1, 1) == Detection("cat", 0.5, 0, 0, 1, 1)


# --- bundles ----------------------------------------------------------------------------------


def test_a_bundle_without_one_says_how_to_get_one() -> None:
    bundle = load_bundle(TINY_BUNDLE)
    assert bundle.manifest.detector is None
    with pytest.raises(
        BundleError, match=r"has no detector; run: python -m seealoud.convert\.detector"
    ):
        Detector(bundle)


def test_a_bundle_with_one_states_it(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.detector == folder / DETECTOR
    assert DETECTOR in bundle.manifest.file_names()
    assert DETECTOR not in load_bundle(TINY_BUNDLE).manifest.file_names()


def test_a_changed_or_missing_file_is_refused(folder: Path) -> None:
    content = (folder / DETECTOR).read_bytes()
    (folder / DETECTOR).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleHashError, match=DETECTOR):
        load_bundle(folder)
    (folder / DETECTOR).unlink()
    with pytest.raises(BundleError, match=rf"cannot read .*{DETECTOR}"):
        load_bundle(folder)


def test_a_detector_without_a_hash_is_refused(folder: Path) -> None:
    files = load_bundle(folder).manifest.files
    kept = {name: entry.model_dump() for name, entry in files.items() if name != DETECTOR}
    change_manifest(folder, {"files": kept})
    with pytest.raises(BundleError, match=f"has no hash for {DETECTOR}"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"detector/stride_px": 5}, r"size_px 64: not a multiple of stride_px 5"),
        ({"detector/classes": []}, r"detector\.classes"),
        ({"detector/colour": "blue"}, r"detector\.colour"),
        ({"detector/scale": 0}, r"detector\.scale"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(BundleError, match=said):
        load_bundle(tiny.detector_bundle(tmp_path / "b", changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"detector/classes": ["person"]}, "number of classes is 1 in the manifest, but 2"),
        ({"detector/size_px": 128}, "size_px is 128 in the manifest, but 64"),
        ({"detector/stride_px": 8}, "size_px / stride_px is 8 in the manifest, but 16"),
        ({"detector/self_test/mean_log_odds": 3.0}, "self-test fails: the mean log-odds are"),
        ({"detector/self_test/largest_log_odds": 30.0}, "self-test fails: the largest log-odds"),
        ({"detector/self_test/pattern": 99}, "no self-test picture 99"),
        ({"detector/mean": 9.0}, "self-test fails"),
    ],
)
def test_a_model_that_does_not_fit_the_manifest_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    bundle = load_bundle(tiny.detector_bundle(tmp_path / "b", changes))
    with pytest.raises(BundleError, match=said):
        Detector(bundle, threads=1)


def test_another_model_is_refused(folder: Path) -> None:
    (folder / DETECTOR).write_bytes((folder / ENCODER).read_bytes())
    change_manifest(folder, {f"files/{DETECTOR}": file_entry(folder / DETECTOR).model_dump()})
    with pytest.raises(BundleError, match=r"expected picture, log_odds and sides"):
        Detector(load_bundle(folder), threads=1)
