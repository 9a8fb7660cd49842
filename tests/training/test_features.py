"""The feature cache: right numbers, a key of all they depend on, and no half or foreign shard."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from support.tiny_dataset import COLOURS, draw

from seealoud.device.vision import preprocess
from seealoud.training import features, views
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.errors import DatasetError, RunConfigError, TrainingError
from seealoud.training.features import FeatureSource, load_features, read_picture

LITE0 = "efficientnet_lite0"
SIZE_PX = 64
N_PICTURES = 10
SHARD = 4  # pictures; so there are shards of 4, 4 and 2
SOURCE = FeatureSource(LITE0, SIZE_PX, end_block=2)
# float16 keeps 11 bits, and TFLite is within 3e-5 of Keras.
RELATIVE, ABSOLUTE = 2.0**-10, 1e-3


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ImageNet's weights are kept; never the user's."""
    monkeypatch.setenv("SEEALOUD_CACHE", str(cache))


class QuickModel:
    """In place of ``LiteModel``: the picture's own pixels, every 8th."""

    def __init__(self, model: object) -> None:
        assert model == "a model"

    def __call__(self, image_hwc: np.ndarray) -> np.ndarray:
        return image_hwc[::8, ::8]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeatureSource, "build", lambda source: "a model")
    monkeypatch.setattr(features, "LiteModel", QuickModel)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedPicture]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    made = []
    for number in range(N_PICTURES):
        path = folder / f"{number}.png"
        image = draw(list(COLOURS)[number % len(COLOURS)], "circle", rng)[:, : 96 - number]
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        made.append(CaptionedPicture(path.name, path, ("A circle .",)))
    return made


@pytest.fixture
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_PICTURES_A_SHARD", SHARD)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were read, as they are read."""
    names: list[str] = []

    def noted(path: Path) -> np.ndarray:
        names.append(path.name)
        return read_picture(path)

    monkeypatch.setattr(features, "read_picture", noted)
    return names


def keras_features(
    source: FeatureSource, pictures: list[CaptionedPicture], view: int
) -> np.ndarray:
    spec = source.spec
    squares = [
        preprocess.preprocess(views.apply(read_picture(p.path), p.name, view), SIZE_PX)
        for p in pictures
    ]
    normalised = (np.stack(squares).astype(np.float32) - spec.mean) / spec.scale
    return np.asarray(source.build()(normalised, training=False))


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("short_shards")
def test_features_are_those_of_keras(pictures: list[CaptionedPicture], tmp_path: Path) -> None:
    expected = [keras_features(SOURCE, pictures, view) for view in (0, 1, 2)]
    found = [load_features(SOURCE, pictures, view=v, cache_dir=tmp_path) for v in (0, 1, 2)]
    for view in range(3):
        assert found[view].dtype == np.float16
        assert found[view].shape == (N_PICTURES, 16, 16, 24)
        np.testing.assert_allclose(found[view], expected[view], rtol=RELATIVE, atol=ABSOLUTE)
        other = expected[(view + 1) % 3]
        assert np.abs(found[view] - other).max() > 100 * ABSOLUTE


def test_the_whole_encoders_grid(pictures: list[CaptionedPicture], tmp_path: Path) -> None:
    whole = dataclasses.replace(SOURCE, end_block=None)
    found = load_features(whole, pictures[:2], cache_dir=tmp_path)
    assert found.shape == (2, whole.spec.grid_size, whole.spec.grid_size, whole.spec.channels)
    expected = keras_features(whole, pictures[:2], views.PLAIN)
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=ABSOLUTE)


def test_an_encoder_that_has_no_blocks_cannot_be_cut() -> None:
    with pytest.raises(RunConfigError, match=r"inception_v3 cannot be cut.*trainable_from_block"):
        FeatureSource("inception_v3", 96, end_block=3).build()


# --- the key ----------------------------------------------------------------------------------


def weights_file(path: Path, content: bytes) -> FeatureSource:
    """The key looks at a file's bytes, never into it."""
    path.write_bytes(content)
    return dataclasses.replace(SOURCE, weights_path=path)


def test_the_key_distinguishes_everything(
    pictures: list[CaptionedPicture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "plain": SOURCE,
        "encoder": dataclasses.replace(SOURCE, encoder="efficientnet_lite1"),
        "size": dataclasses.replace(SOURCE, input_size_px=SIZE_PX + 32),
        "cut": dataclasses.replace(SOURCE, end_block=3),
        "whole": dataclasses.replace(SOURCE, end_block=None),
        "weights": weights_file(tmp_path / "a.npz", b"one"),
        "other weights": weights_file(tmp_path / "b.npz", b"two"),
    }
    keys = {what: source.key(pictures, 0) for what, source in sources.items()}
    keys["view"] = SOURCE.key(pictures, 1)
    keys["fewer"] = SOURCE.key(pictures[:-1], 0)
    keys["order"] = SOURCE.key(pictures[::-1], 0)
    for module in (preprocess, views):
        with monkeypatch.context() as patch:
            patch.setattr(inspect, "getsource", changed_source_of(module))
            keys[f"source of {module.__name__}"] = SOURCE.key(pictures, 0)
    assert len(set(keys.values())) == len(keys)
    assert all(len(key) == 24 and set(key) <= set("0123456789abcdef") for key in keys.values())


def changed_source_of(changed: ModuleType) -> Callable[[ModuleType], str]:
    kept = inspect.getsource
    return lambda module: kept(module) + ("\n# changed" if module is changed else "")


def test_the_key_stays_while_nothing_that_matters_changes(
    pictures: list[CaptionedPicture], tmp_path: Path
) -> None:
    moved = [CaptionedPicture(p.name, tmp_path / p.name, ("Another .",)) for p in pictures]
    first, copied = (weights_file(tmp_path / name, b"same") for name in ("a.npz", "b.npz"))
    assert copied.key(moved, 0) == first.key(pictures, 0)


# --- going on after a kill --------------------------------------------------------------------


def folder_of(root: Path) -> Path:
    (folder,) = (root / "features").iterdir()
    return folder


@pytest.mark.usefixtures("quick", "short_shards")
def test_a_killed_extraction_goes_on_at_the_first_missing_shard(
    pictures: list[CaptionedPicture],
    read: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted = features.read_picture

    def killed(path: Path) -> np.ndarray:
        if len(read) == SHARD + 2:  # in the middle of the second shard
            raise KeyboardInterrupt
        return noted(path)

    with monkeypatch.context() as patch:
        patch.setattr(features, "read_picture", killed)
        with pytest.raises(KeyboardInterrupt):
            load_features(SOURCE, pictures, cache_dir=tmp_path)
    assert [path.name for path in folder_of(tmp_path).glob("*.tfrecord")] == ["000000.tfrecord"]
    # What a kill leaves of the shard that was being written.
    (folder_of(tmp_path) / "000004.77.part").write_bytes(b"half a shard")
    read.clear()
    found = load_features(SOURCE, pictures, cache_dir=tmp_path)
    assert read == [picture.name for picture in pictures[SHARD:]]
    whole = load_features(SOURCE, pictures, cache_dir=tmp_path / "uninterrupted")
    np.testing.assert_array_equal(found, whole)


@pytest.mark.usefixtures("quick", "short_shards")
def test_one_lost_shard_is_made_again(
    pictures: list[CaptionedPicture], read: list[str], tmp_path: Path
) -> None:
    first = load_features(SOURCE, pictures, cache_dir=tmp_path)
    (folder_of(tmp_path) / "000004.tfrecord").unlink()
    read.clear()
    again = load_features(SOURCE, pictures, cache_dir=tmp_path)
    assert read == [picture.name for picture in pictures[SHARD : 2 * SHARD]]
    np.testing.assert_array_equal(again, first)


@pytest.mark.usefixtures("quick")
def test_what_is_cached_needs_neither_encoder_nor_pictures(
    pictures: list[CaptionedPicture],
    read: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = load_features(SOURCE, pictures, cache_dir=tmp_path)
    read.clear()
    monkeypatch.setattr(FeatureSource, "build", None)
    np.testing.assert_array_equal(load_features(SOURCE, pictures, cache_dir=tmp_path), first)
    assert read == []


@pytest.mark.usefixtures("quick")
def test_the_cache_is_where_the_environment_says(
    pictures: list[CaptionedPicture],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEEALOUD_CACHE", str(tmp_path / "mine"))
    load_features(SOURCE, pictures[:1])
    assert folder_of(tmp_path / "mine").name.startswith(f"{LITE0}-")


# --- faults -----------------------------------------------------------------------------------


def swap_names(folder: Path, pictures: list[CaptionedPicture]) -> None:
    """Put the shard of other pictures in place, as a copied folder would."""
    load_features(SOURCE, pictures[::-1], cache_dir=folder.parent / "reversed")
    other = folder_of(folder.parent / "reversed") / "000000.tfrecord"
    shutil.copy(other, folder / "000000.tfrecord")


def fewer_records(folder: Path, pictures: list[CaptionedPicture]) -> None:
    load_features(SOURCE, pictures[:-1], cache_dir=folder.parent / "fewer")
    other = folder_of(folder.parent / "fewer") / "000000.tfrecord"
    shutil.copy(other, folder / "000000.tfrecord")


def more_records(folder: Path, pictures: list[CaptionedPicture]) -> None:
    content = (folder / "000000.tfrecord").read_bytes()
    (folder / "000000.tfrecord").write_bytes(2 * content)


def cut_off(folder: Path, pictures: list[CaptionedPicture]) -> None:
    content = (folder / "000000.tfrecord").read_bytes()
    (folder / "000000.tfrecord").write_bytes(content[: len(content) // 2])


def flip_a_bit(folder: Path, pictures: list[CaptionedPicture]) -> None:
    content = bytearray((folder / "000000.tfrecord").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "000000.tfrecord").write_bytes(content)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", [swap_names, fewer_records, more_records, cut_off, flip_a_bit])
def test_a_shard_that_is_not_ours_is_refused(
    fault: Callable[[Path, list[CaptionedPicture]], None],
    pictures: list[CaptionedPicture],
    tmp_path: Path,
) -> None:
    load_features(SOURCE, pictures[:3], cache_dir=tmp_path)
    folder = folder_of(tmp_path)
    fault(folder, pictures[:3])
    with pytest.raises(DatasetError, match=r"000000\.tfrecord.*delete its folder"):
        load_features(SOURCE, pictures[:3], cache_dir=tmp_path)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_an_unreadable_picture_is_named(
    content: bytes | None, pictures: list[CaptionedPicture], tmp_path: Path
) -> None:
    path = tmp_path / "broken.jpg"
    if content is not None:
        path.write_bytes(content)
    broken = CaptionedPicture(path.name, path, ("A dog .",))
    with pytest.raises(DatasetError, match=r"cannot read the picture .*broken\.jpg: copy it"):
        load_features(SOURCE, [*pictures[:2], broken], cache_dir=tmp_path)
    assert not list(folder_of(tmp_path).glob("*.tfrecord"))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e5])
def test_what_float16_cannot_hold_is_noticed(
    value: float,
    pictures: list[CaptionedPicture],
    quick: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """XNNPACK computes NaN without a word where a weight is not filled."""

    def broken(model: QuickModel, image_hwc: np.ndarray) -> np.ndarray:
        features_hwc = image_hwc[::8, ::8].copy()
        features_hwc[-1, -1, -1] = value
        return features_hwc

    monkeypatch.setattr(QuickModel, "__call__", broken)
    with pytest.raises(TrainingError, match=r"features of .*0\.png are not finite"):
        load_features(SOURCE, pictures, cache_dir=tmp_path)
    assert not list(folder_of(tmp_path).glob("*.tfrecord"))
