"""The wrapper of the runtime, on the tiny models: numbers in and out, and what it refuses."""

from __future__ import annotations

import importlib
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_model as tiny
from support.tiny_bundle import ENCODERS, TINY_BUNDLE

from seealoud.device.errors import BundleError, InferenceError
from seealoud.device.vision import runtime as module
from seealoud.device.vision.beam_search import Continuations, State, likeliest
from seealoud.device.vision.manifest import DECODER
from seealoud.device.vision.runtime import Decoder, Encoder, load_interpreter
from seealoud.device.vision.vocabulary import START

# One of the 256 levels of an int8 grid that lies within 0..1.
ONE_LEVEL = 1.01 / 255
FLOAT_TOLERANCE = 1e-5
LITERT, TFLITE_RUNTIME = "ai_edge_litert.interpreter", "tflite_runtime.interpreter"


def open_encoder(kind: str = "uint8", *, mean: float = tiny.MEAN, scale: float = tiny.SCALE) -> Any:
    return Encoder(ENCODERS[kind], mean=mean, scale=scale, threads=1)


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(TINY_BUNDLE / DECODER)


@pytest.fixture
def noise() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (tiny.SIZE_PX, tiny.SIZE_PX, 3), dtype=np.uint8)


def features(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((tiny.N_CELLS, len(tiny.CHANNELS)), dtype=np.float32)


def assert_equal(found: Continuations, expected: Continuations) -> None:
    """Words exactly; of log-probabilities the runtime sums in another order than NumPy."""
    np.testing.assert_array_equal(found.words_rk, expected.words_rk)
    np.testing.assert_allclose(found.log_probs_re, expected.log_probs_re, atol=FLOAT_TOLERANCE)


# --- encoder ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("uint8", ONE_LEVEL), ("int8", ONE_LEVEL), ("float32", FLOAT_TOLERANCE)],
)
def test_every_kind_of_input_is_given_the_right_numbers(
    kind: str, tolerance: float, noise: np.ndarray
) -> None:
    encoder = open_encoder(kind)
    pictures = [noise, *(tiny.plain(colour, 32, 32) for colour in tiny.KNOWN)]
    for picture in [*pictures, tiny.red_and_blue(32, 32)]:
        found = encoder.encode(picture)
        assert (found.dtype, found.shape) == (np.float32, (tiny.N_CELLS, len(tiny.CHANNELS)))
        np.testing.assert_allclose(found, tiny.features(picture), atol=tolerance)


@pytest.mark.parametrize("kind", ENCODERS)
def test_cells_are_in_reading_order(kind: str) -> None:
    found = open_encoder(kind).encode(tiny.red_and_blue(32, 32))
    assert found[:, 0].round().tolist() == [1, 1, 1, 0]
    assert found[:, 2].round().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_mirror_images_grid_is_turned_back_and_averaged(kind: str, noise: np.ndarray) -> None:
    encoder = open_encoder(kind)
    side = tiny.SIZE_PX // tiny.CELL_PX
    mirror = encoder.encode(np.ascontiguousarray(noise[:, ::-1])).reshape(side, side, -1)
    expected = (encoder.encode(noise) + mirror[:, ::-1].reshape(tiny.N_CELLS, -1)) / 2
    np.testing.assert_allclose(encoder.encode(noise, mirrored=True), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_mean_and_scale_are_the_manifests(kind: str) -> None:
    """A pixel of 255 whose scale says that it is the lower end, -1, becomes a channel of 0."""
    white = tiny.plain((255, 255, 255), 32, 32)
    found = open_encoder(kind, mean=255 + 100, scale=100).encode(white)
    np.testing.assert_allclose(found, 0, atol=ONE_LEVEL)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_values_beyond_the_input_are_cut_off_and_do_not_wrap(kind: str) -> None:
    encoder = open_encoder(kind, mean=127.5, scale=12.75)  # ten times too large
    found = encoder.encode(tiny.plain((255, 0, 128), 32, 32))
    np.testing.assert_allclose(found[0, :3], [1, 0, 0.52], atol=0.05)


def test_the_encoder_states_its_size() -> None:
    assert open_encoder().size_px == tiny.SIZE_PX


def test_the_first_picture_does_not_reach_the_second(noise: np.ndarray) -> None:
    encoder = open_encoder()
    first = encoder.encode(noise)
    kept = first.copy()
    encoder.encode(tiny.plain((0, 0, 0), 32, 32))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(encoder.encode(noise), kept)


def test_it_runs_on_every_core_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def load(path: Path, threads: int) -> Any:
        asked.append(threads)
        return load_interpreter(path, threads)

    monkeypatch.setattr(module, "load_interpreter", load)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    for threads in (None, 2):
        Encoder(ENCODERS["uint8"], mean=0, scale=1, threads=threads)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    Encoder(ENCODERS["uint8"], mean=0, scale=1, threads=None)
    assert asked == [3, 2, 1]


def test_a_model_with_several_inputs_is_no_encoder() -> None:
    with pytest.raises(BundleError, match="has 4 inputs or outputs, expected one"):
        Encoder(TINY_BUNDLE / DECODER, mean=0, scale=1, threads=1)


# --- decoder ----------------------------------------------------------------------------------


def test_the_decoder_states_its_shapes(decoder: Decoder) -> None:
    assert decoder.beam_width == tiny.BEAM_WIDTH
    assert decoder.n_words == tiny.N_WORDS
    state = decoder.initial_state(2)
    assert [array.shape for array in state] == [(2, 1), (2, tiny.N_WORDS)]
    assert all(array.dtype == np.float32 and not array.any() for array in state)


def test_a_sentence_is_scored_as_the_rules_say(decoder: Decoder) -> None:
    """Three rows with histories of their own, over as many words as there may be."""
    seen = features()
    decoder.prepare(seen)
    state: State = decoder.initial_state(3)
    expected_state: State = tiny.initial_state(3)
    tokens = np.full(3, START, np.int32)
    rng = np.random.default_rng(1)
    for _ in range(tiny.MAX_WORDS + 1):
        logits, state = decoder.step(tokens, state)
        expected, expected_state = tiny.step(tiny.seen(seen), tokens, expected_state)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, atol=FLOAT_TOLERANCE)
        for found, of_rules in zip(state, expected_state, strict=True):
            np.testing.assert_array_equal(found, of_rules)
        tokens = rng.integers(4, tiny.N_WORDS, 3).astype(np.int32)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_fewer_rows_than_the_beam_give_the_same(decoder: Decoder, n_rows: int) -> None:
    decoder.prepare(features())
    tokens = np.array([tiny.A, tiny.RED, tiny.AND], np.int32)
    state = (
        np.array([[1], [2], [3]], np.float32),
        np.random.default_rng(2).random((3, tiny.N_WORDS), np.float32),
    )
    logits, grown = decoder.step(tokens, state)
    fewer = tuple(array[:n_rows] for array in state)
    few_logits, few_grown = decoder.step(tokens[:n_rows], fewer)
    np.testing.assert_array_equal(few_logits, logits[:n_rows])
    for few, full in zip(few_grown, grown, strict=True):
        np.testing.assert_array_equal(few, full[:n_rows])


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_a_state_kept_in_the_model_is_the_state_handed_around(
    decoder: Decoder, n_rows: int
) -> None:
    """With rows that change places, over two pictures: nothing of the first may stay."""
    apart, rng = Decoder(TINY_BUNDLE / DECODER), np.random.default_rng(4)
    for seed in (0, 1):
        decoder.prepare(features(seed))
        apart.prepare(features(seed))
        tokens, parents, state = np.full(n_rows, START, np.int32), None, apart.initial_state(n_rows)
        for _ in range(tiny.MAX_WORDS + 1):
            if parents is not None:
                state = tuple(array[parents] for array in state)
            logits, state = apart.step(tokens, state)
            assert_equal(decoder.advance(tokens, parents), likeliest(logits, tiny.BEAM_WIDTH))
            parents = rng.integers(n_rows, size=n_rows)
            tokens = rng.integers(4, tiny.N_WORDS, n_rows).astype(np.int32)


def test_what_may_follow_is_not_overwritten_by_the_next_step(decoder: Decoder) -> None:
    decoder.prepare(features())
    first = decoder.advance(np.full(3, START, np.int32), None)
    words, log_probs = first.words_rk.copy(), first.log_probs_re.copy()
    decoder.advance(np.full(3, tiny.RED, np.int32), np.arange(3))
    np.testing.assert_array_equal(first.words_rk, words)
    np.testing.assert_array_equal(first.log_probs_re, log_probs)


def test_another_picture_replaces_the_first(decoder: Decoder) -> None:
    tokens, state = np.full(3, START, np.int32), decoder.initial_state(3)
    answers = []
    for seed in (0, 1, 0):
        decoder.prepare(features(seed))
        logits, _ = decoder.step(tokens, state)
        answers.append(logits)
        np.testing.assert_allclose(
            logits, tiny.step(tiny.seen(features(seed)), tokens, state)[0], atol=FLOAT_TOLERANCE
        )
    np.testing.assert_array_equal(answers[0], answers[2])
    assert not np.array_equal(answers[0], answers[1])


@pytest.mark.parametrize("shape", [(4, 5), (5, 4), (16,), (1, 4, 4), (4, 1)])
def test_features_of_another_encoder_are_refused(decoder: Decoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceError, match=r"decoder takes features \(4, 4\).*do not match"):
        decoder.prepare(np.zeros(shape, np.float32))


def test_what_is_not_a_number_is_an_error_and_no_caption(decoder: Decoder) -> None:
    decoder.prepare(np.full((tiny.N_CELLS, len(tiny.CHANNELS)), np.nan, np.float32))
    tokens = np.full(3, START, np.int32)
    with pytest.raises(InferenceError, match="not a number"):
        decoder.step(tokens, decoder.initial_state(3))
    with pytest.raises(InferenceError, match="not a number"):
        decoder.advance(tokens, None)


def test_an_encoder_is_no_decoder() -> None:
    with pytest.raises(BundleError, match=r"signatures \['encode'\], expected decode and prepare"):
        Decoder(ENCODERS["uint8"])


# --- runtime ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"TFL3", b"not a model" * 100])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=rf"ai_edge_litert\.interpreter rejects {path}"):
        load_interpreter(path, 1)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"rejects .*none\.tflite"):
        load_interpreter(tmp_path / "none.tflite", 1)


class FakeInterpreter:
    """Stands for a runtime's interpreter, and can fail."""

    def __init__(self, model_path: str = "", num_threads: int = 0, fails: str = "") -> None:
        self.arguments = (model_path, num_threads)
        self.is_allocated = False
        self.fails = fails

    def allocate_tensors(self) -> None:
        self.is_allocated = True

    def invoke(self) -> None:
        raise RuntimeError(self.fails)


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """Let only these runtimes be installed, as fakes; return what is imported, in order."""
    imported: list[str] = []

    def import_module(name: str) -> types.SimpleNamespace:
        imported.append(name)
        if name not in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return types.SimpleNamespace(Interpreter=type(name, (FakeInterpreter,), {"runtime": name}))

    monkeypatch.setattr(importlib, "import_module", import_module)
    return imported


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ([LITERT, TFLITE_RUNTIME], LITERT),
        ([LITERT], LITERT),
        ([TFLITE_RUNTIME], TFLITE_RUNTIME),
    ],
)
def test_litert_is_taken_before_tflite_runtime(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], expected: str
) -> None:
    imported = install(monkeypatch, *installed)
    opened = load_interpreter(Path("m.tflite"), 2)
    assert opened.runtime == expected
    assert opened.arguments == ("m.tflite", 2)
    assert opened.is_allocated
    assert imported == [LITERT, TFLITE_RUNTIME][: 1 + (expected == TFLITE_RUNTIME)]


def test_without_a_runtime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    expected = (
        "no runtime for m.tflite: neither ai_edge_litert nor tflite_runtime can be imported; "
        "run: pip install ai-edge-litert"
    )
    with pytest.raises(BundleError) as caught:
        load_interpreter(Path("m.tflite"), 1)
    assert str(caught.value) == expected


def test_a_runtime_that_is_too_old_for_numpy_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """tflite-runtime 2.14 with NumPy 2: it is imported, and fails where a model is opened."""

    def fail(**_: object) -> None:
        raise SystemError("<built-in method CreateWrapperFromFile> returned a result with …")

    runtime = types.SimpleNamespace(Interpreter=fail)
    monkeypatch.setattr(importlib, "import_module", lambda _: runtime)
    with pytest.raises(BundleError, match=rf"does not run with NumPy {np.__version__}.*'numpy<2'"):
        load_interpreter(Path("m.tflite"), 1)


def test_a_failing_runtime_is_an_inference_error() -> None:
    with pytest.raises(InferenceError, match="the runtime failed: node 7"):
        module.invoke(FakeInterpreter(fails="node 7"))
