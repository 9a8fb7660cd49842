"""The decoders as TFLite: every one of them exports, runs on LiteRT and says what Keras says."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from support.tflite_graph import CONTROL_FLOW, HIDDEN_STATE, operators
from support.weights import draw_weights

from seealoud.convert.export import export_decoder
from seealoud.device.vision.beam_search import likeliest, log_softmax
from seealoud.device.vision.manifest import DECODER
from seealoud.device.vision.runtime import Decoder as DeviceDecoder
from seealoud.device.vision.vocabulary import START
from seealoud.training.decoders import DECODERS, DecoderSize, KerasDecoder

BEAM_WIDTH = 3
# As wide as quantization needs to be worth it: the converter leaves small matrices float.
SIZE = DecoderSize(n_words=60, max_words=5, n_cells=4, n_channels=64, width=64, n_heads=4)

# The same float32 operations, sums in another order (on logits of about 5).
FLOAT_TOLERANCE = 1e-4
# int8 weights, and activations that the runtime rounds to int8 on the way: 0.4 was measured on
# logits that span 25.
INT8_TOLERANCE = 1.0
# tflite-runtime 2.14, the last one, knows FULLY_CONNECTED up to this version.
NEWEST_FULLY_CONNECTED = 11


@dataclass(frozen=True)
class Exported:
    decoder: KerasDecoder
    is_quantized: bool
    content: bytes
    path: Path


@functools.cache
def built(name: str) -> KerasDecoder:
    made = DECODERS[name](SIZE)
    made((features()[None], np.zeros((1, 1, SIZE.max_words + 1), np.int32)))
    draw_weights(made)
    return made


@functools.cache  # the converter takes seconds
def content(name: str, *, is_quantized: bool, beam_width: int = BEAM_WIDTH) -> bytes:
    return export_decoder(built(name), beam_width, is_quantized=is_quantized)


@pytest.fixture(scope="module", params=["float", "int8"])
def is_quantized(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "int8")


@pytest.fixture(scope="module", params=DECODERS)
def exported(
    request: pytest.FixtureRequest, is_quantized: bool, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    made = content(request.param, is_quantized=is_quantized)
    path = tmp_path_factory.mktemp("decoder") / DECODER
    path.write_bytes(made)
    return Exported(built(request.param), is_quantized, made, path)


def features(seed: int = 3) -> np.ndarray:
    """ReLU6's range, as an encoder's grid has it."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 3, (SIZE.n_cells, SIZE.n_channels)).astype(np.float32)


def test_every_step_says_what_keras_says(exported: Exported) -> None:
    """To the last step, with rows that change places on the way."""
    tolerance = INT8_TOLERANCE if exported.is_quantized else FLOAT_TOLERANCE
    lite, decoder = DeviceDecoder(exported.path), exported.decoder
    rng = np.random.default_rng(7)
    for seed in (3, 4):  # a second picture: nothing of the first may stay
        lite.prepare(features(seed))
        memory = decoder.prepare(features(seed)[None])
        tokens = np.full(BEAM_WIDTH, START, np.int32)
        lite_state = lite.initial_state(BEAM_WIDTH)
        state = decoder.initial_state(BEAM_WIDTH)
        for _ in range(SIZE.max_words + 1):
            lite_logits, lite_state = lite.step(tokens, lite_state)
            logits, state = decoder.step(tf.constant(tokens), memory, state)
            difference = log_softmax(lite_logits) - log_softmax(logits.numpy())
            assert np.abs(difference).max() < tolerance
            assert np.abs(difference).max() > 0 or not exported.is_quantized
            order = rng.integers(BEAM_WIDTH, size=BEAM_WIDTH)
            tokens = rng.integers(4, SIZE.n_words, BEAM_WIDTH, dtype=np.int32)
            lite_state = tuple(array[order] for array in lite_state)
            state = tuple(tf.gather(array, order) for array in state)


def test_the_likeliest_words_are_those_of_the_logits(exported: Exported) -> None:
    lite, apart = DeviceDecoder(exported.path), DeviceDecoder(exported.path)
    for decoder in (lite, apart):
        decoder.prepare(features())
    tokens, parents, rng = np.full(BEAM_WIDTH, START, np.int32), None, np.random.default_rng(8)
    state = apart.initial_state(BEAM_WIDTH)
    for _ in range(SIZE.max_words + 1):
        if parents is not None:
            state = tuple(array[parents] for array in state)
        logits, state = apart.step(tokens, state)
        expected, found = likeliest(logits, BEAM_WIDTH), lite.advance(tokens, parents)
        np.testing.assert_array_equal(found.words_rk, expected.words_rk)
        np.testing.assert_allclose(
            found.log_probs_re, expected.log_probs_re, atol=FLOAT_TOLERANCE, rtol=FLOAT_TOLERANCE
        )
        parents = rng.integers(BEAM_WIDTH, size=BEAM_WIDTH)
        tokens = rng.integers(4, SIZE.n_words, BEAM_WIDTH, dtype=np.int32)


def test_pictures_differ(exported: Exported) -> None:
    """Else the test above would prove nothing of ``prepare``."""
    lite = DeviceDecoder(exported.path)
    first = []
    for seed in (3, 4):
        lite.prepare(features(seed))
        state = lite.initial_state(BEAM_WIDTH)
        first.append(lite.step(np.full(BEAM_WIDTH, START, np.int32), state)[0])
    assert np.abs(first[0] - first[1]).max() > 2 * INT8_TOLERANCE


def test_only_builtin_operators_without_control_flow(exported: Exported) -> None:
    found = list(operators(exported.content))
    assert len(found) > 20
    assert [operator.name for operator in found if not operator.is_builtin] == []
    names = {operator.name for operator in found}
    assert not names & CONTROL_FLOW
    assert not names & HIDDEN_STATE
    assert "FULLY_CONNECTED" in names


def test_two_signatures_of_fixed_shape(exported: Exported) -> None:
    interpreter = Interpreter(model_path=str(exported.path))
    interpreter.allocate_tensors()
    signatures = interpreter.get_signature_list()
    memory = [f"memory_{i}" for i in range(len(exported.decoder.prepare(features()[None])))]
    zeros = exported.decoder.initial_state(BEAM_WIDTH)
    state = [f"state_{i}" for i in range(len(zeros))]
    assert signatures == {
        "decode": {
            "inputs": sorted([*memory, *state, "tokens"]),
            "outputs": sorted(["log_probs", "logits", "words", *state]),
        },
        "prepare": {"inputs": ["features"], "outputs": sorted(memory)},
    }
    step = interpreter.get_signature_runner("decode")
    inputs, outputs = step.get_input_details(), step.get_output_details()
    assert inputs["tokens"]["shape"].tolist() == [BEAM_WIDTH]
    assert inputs["tokens"]["dtype"] == np.int32
    assert outputs["logits"]["shape"].tolist() == [BEAM_WIDTH, SIZE.n_words]
    for name, array in zip(state, zeros, strict=True):
        assert inputs[name]["shape"].tolist() == outputs[name]["shape"].tolist() == array.shape
    for details in (*inputs.values(), *outputs.values()):
        assert -1 not in details["shape_signature"]


def test_the_step_is_the_first_subgraph(exported: Exported) -> None:
    """Only the first can be driven without the signature runner's copies."""
    interpreter = Interpreter(model_path=str(exported.path))
    interpreter.allocate_tensors()
    names = {details["name"].split(":")[0] for details in interpreter.get_input_details()}
    assert any(name.endswith("tokens") for name in names)


def test_weights_are_int8_only_where_asked(exported: Exported) -> None:
    weights = [
        tensor
        for operator in operators(exported.content)
        for tensor in operator.inputs
        if tensor.is_constant and np.prod(tensor.shape) >= SIZE.width**2
    ]
    assert weights
    kinds = {tensor.dtype for tensor in weights}
    assert kinds == {np.dtype(np.int8 if exported.is_quantized else np.float32)}


def test_older_runtimes_know_the_operators(exported: Exported) -> None:
    versions = [o.version for o in operators(exported.content) if o.name == "FULLY_CONNECTED"]
    assert max(versions) <= NEWEST_FULLY_CONNECTED
    dense = [
        tensor.n_scales
        for operator in operators(exported.content)
        if operator.name == "FULLY_CONNECTED"
        for tensor in operator.inputs
        if tensor.dtype == np.int8
    ]
    assert set(dense) == ({1} if exported.is_quantized else set())


@pytest.mark.parametrize("beam_width", [1, 5])
def test_the_beam_is_as_wide_as_asked(beam_width: int, tmp_path: Path) -> None:
    made = content("merge", is_quantized=True, beam_width=beam_width)
    (tmp_path / DECODER).write_bytes(made)
    assert DeviceDecoder(tmp_path / DECODER).beam_width == beam_width


@pytest.mark.parametrize("name", DECODERS)
def test_int8_is_about_a_quarter_of_float(name: str) -> None:
    floating, quantized = (len(content(name, is_quantized=q)) for q in (False, True))
    weights = 4 * built(name).count_params()
    assert floating > weights
    assert quantized < floating - 0.6 * weights
