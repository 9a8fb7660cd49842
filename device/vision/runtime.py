"""A thin LiteRT wrapper for the bundle's two models.

Invariant: quantization and the runtime are handled here only. Outside, a picture is uint8, and
features, memory, state and logits are float32.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from device.errors import BundleError, InferenceError
from device.vision.beam_search import Continuations, Logits, Parents, State, likeliest

# The converter orders subgraphs by signature name, and only the first can be driven without the
# signature runner's copies of every input; so the name of the step sorts first.
STEP_SIGNATURE = "decode"
PREPARE_SIGNATURE = "prepare"
# Outputs of the step: the likeliest words of each row, and their log-probabilities with that of the
# end mark.
WORDS_OUTPUT = "words"
LOG_PROBS_OUTPUT = "log_probs"

_RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
_N_LEVELS = 256

Features = npt.NDArray[np.float32]


def load_interpreter(path: Path, threads: int) -> Any:
    """Return an interpreter of the first runtime that is installed, its tensors allocated.

    Raises:
        BundleError: no runtime is installed, or it rejects the model.
    """
    for name in _RUNTIMES:
        try:
            runtime = importlib.import_module(name)
        except ImportError:
            continue
        try:
            interpreter = runtime.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        except (ImportError, SystemError) as exc:  # tflite-runtime 2.14 was built for NumPy 1
            raise BundleError(
                f"{name} does not run with NumPy {np.__version__}: {exc}; "
                "run: pip install ai-edge-litert, or, if that is not available: pip install "
                "'numpy<2' 'opencv-python-headless<4.12'"
            ) from exc
        except (ValueError, RuntimeError, OSError) as exc:
            raise BundleError(f"{name} rejects {path}: {exc}; export the bundle again") from exc
        return interpreter
    raise BundleError(
        f"no runtime for {path}: neither ai_edge_litert nor tflite_runtime can be imported; "
        "run: pip install ai-edge-litert"
    )


def runtime_name() -> str:
    """Return the package and version of the runtime that is used, as in "ai-edge-litert 2.3.0"."""
    for module in _RUNTIMES:
        package = module.partition(".")[0].replace("_", "-")
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{package} {metadata.version(package)}"
    return "no runtime"


class Encoder:
    """From a square picture to the grid of features.

    Args:
        path: the model; one uint8, int8 or float32 input [1, size, size, 3], one output.
        mean: subtracted from each pixel (0..255).
        scale: divisor of the difference.
        threads: number of threads; None means one per core.
    """

    def __init__(self, path: Path, *, mean: float, scale: float, threads: int | None) -> None:
        self._interpreter = load_interpreter(path, threads or os.cpu_count() or 1)
        self._input = _only(self._interpreter.get_input_details(), path)
        self._output = _only(self._interpreter.get_output_details(), path)
        pixels = (np.arange(_N_LEVELS, dtype=np.float32) - mean) / scale
        self._of_pixel = quantized(pixels, self._input)
        is_float = np.dtype(self._output["dtype"]) == np.float32
        self._levels = (1.0, 0) if is_float else self._output["quantization"]

    @property
    def size_px(self) -> int:
        """Side of the square picture in pixels."""
        return int(self._input["shape"][1])

    def encode(self, image_hwc: npt.NDArray[np.uint8], *, mirrored: bool = False) -> Features:
        """Return the features of a picture, float32 [cells, channels].

        Args:
            image_hwc: uint8 [size_px, size_px, 3], RGB.
            mirrored: encode the mirror image too, flip its grid back, and return the mean of both.

        Raises:
            InferenceError: the runtime failed.
        """
        scale, zero_point = self._levels
        pixels_hwc = cv2.LUT(image_hwc, self._of_pixel)  # eight times as fast as indexing by it
        grid_hwc = self._grid(pixels_hwc)
        if mirrored:  # added as levels, because the conversion to float is what takes time
            flipped_hwc = self._grid(cv2.flip(pixels_hwc, 1))[:, ::-1]
            sum_type = np.result_type(grid_hwc.dtype, np.int16)
            grid_hwc = np.add(grid_hwc, flipped_hwc, dtype=sum_type)
            scale, zero_point = scale / 2, 2 * zero_point
        features: Features = np.subtract(grid_hwc, zero_point, dtype=np.float32)
        features *= np.float32(scale)
        return np.reshape(features, (-1, grid_hwc.shape[-1]))

    def _grid(self, pixels_hwc: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the model's raw output [rows, columns, channels]."""
        self._interpreter.set_tensor(self._input["index"], pixels_hwc[None])
        invoke(self._interpreter)
        raw: npt.NDArray[Any] = self._interpreter.get_tensor(self._output["index"])[0]
        return raw

    def invoke(self) -> None:
        """Run the model on the present content of its input; for benchmarks."""
        invoke(self._interpreter)


class Decoder:
    """From features to the logits of the next words.

    ``prepare`` takes a picture's features; then ``beam_search.search_rows`` calls ``advance``.
    ``step`` is the same with a state that the caller keeps, for comparisons.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self._interpreter = load_interpreter(path, threads)
        signatures = self._interpreter.get_signature_list()
        if not {STEP_SIGNATURE, PREPARE_SIGNATURE} <= signatures.keys():
            raise BundleError(
                f"{path} has the signatures {sorted(signatures)}, expected {STEP_SIGNATURE} and "
                f"{PREPARE_SIGNATURE}; export the bundle again"
            )
        prepare = self._interpreter.get_signature_runner(PREPARE_SIGNATURE)
        step = self._interpreter.get_signature_runner(STEP_SIGNATURE)
        inputs, outputs = step.get_input_details(), step.get_output_details()
        self._tokens = inputs["tokens"]["index"]
        self._logits = outputs["logits"]["index"]
        # An int8 decoder has no such outputs, because 256 levels are too coarse for them.
        self._likeliest = (
            (outputs[WORDS_OUTPUT]["index"], outputs[LOG_PROBS_OUTPUT]["index"])
            if WORDS_OUTPUT in outputs
            else None
        )
        self._memory = {name: inputs[name]["index"] for name in inputs if name.startswith("memory")}
        states = sorted(name for name in inputs if name.startswith("state"))
        self._states_in = [inputs[name]["index"] for name in states]
        self._states_out = [outputs[name]["index"] for name in states]
        # Functions that return a view, because no view may exist while the interpreter runs.
        self._states = [
            (self._interpreter.tensor(inward), self._interpreter.tensor(outward))
            for inward, outward in zip(self._states_in, self._states_out, strict=True)
        ]
        self._state_shapes = [tuple(inputs[name]["shape"]) for name in states]
        self.beam_width = int(inputs["tokens"]["shape"][0])
        self.n_words = int(outputs["logits"]["shape"][-1])
        shape = prepare.get_input_details()["features"]["shape"]
        self._feature_shape = tuple(int(size) for size in shape[1:])

    def prepare(self, features: Features) -> None:
        """Compute the memory that each step attends to, and keep it in the step's inputs.

        Args:
            features: float32 [cells, channels].

        Raises:
            InferenceError: the runtime failed, or the features are those of another encoder.
        """
        if self._feature_shape != features.shape:
            raise InferenceError(
                f"decoder takes features {self._feature_shape}, the encoder returns "
                f"{features.shape}: the bundle's two models do not match"
            )
        try:
            # Created each time (50 us): the interpreter cannot be invoked while a runner exists.
            runner = self._interpreter.get_signature_runner(PREPARE_SIGNATURE)
            memory = runner(features=features[None])
        except (ValueError, RuntimeError) as exc:
            raise InferenceError(f"the decoder's preparation failed: {exc}") from exc
        for name, index in self._memory.items():
            self._interpreter.set_tensor(index, memory[name])

    def initial_state(self, n_rows: int) -> State:
        """Return the state before the first word: float32 zeros, ``n_rows`` on axis 0."""
        return tuple(np.zeros((n_rows, *shape[1:]), np.float32) for shape in self._state_shapes)

    def advance(self, tokens_r: npt.NDArray[np.int32], parents_r: Parents | None) -> Continuations:
        """Return the ``beam_width`` likeliest words after each row; see ``beam_search.Advance``.

        The state stays in the model: its rows are copied from the last outputs to the inputs.

        Raises:
            InferenceError: the runtime failed, or a logit is not a number.
        """
        n_rows = len(tokens_r)
        self._interpreter.set_tensor(self._tokens, self._filled(tokens_r))
        for inward, outward in self._states:
            if parents_r is None:
                inward()[:] = 0
            else:  # NumPy buffers the output unless it clips
                np.take(outward(), parents_r, axis=0, out=inward()[:n_rows], mode="clip")
        if self._likeliest is None:
            return likeliest(self._logits_of(n_rows), self.beam_width)
        invoke(self._interpreter)
        words, log_probs = self._likeliest
        log_probs_re = self._interpreter.get_tensor(log_probs)[:n_rows]
        _check_numbers(log_probs_re[:, 0])  # a single NaN logit makes its whole row NaN
        return Continuations(self._interpreter.get_tensor(words)[:n_rows], log_probs_re)

    def step(self, tokens_r: npt.NDArray[np.int32], state: State) -> tuple[Logits, State]:
        """Return float32 [rows, words] logits and the next state; see ``beam_search.Step``.

        The model's rows are fixed; fewer are filled up with zeros, which no other row sees.

        Raises:
            InferenceError: the runtime failed, or a logit is not a number.
        """
        interpreter, n_rows = self._interpreter, len(tokens_r)
        interpreter.set_tensor(self._tokens, self._filled(tokens_r))
        for index, array in zip(self._states_in, state, strict=True):
            interpreter.set_tensor(index, self._filled(array))
        logits_rv = self._logits_of(n_rows)
        return logits_rv, tuple(interpreter.get_tensor(i)[:n_rows] for i in self._states_out)

    def _logits_of(self, n_rows: int) -> Logits:
        """Run a step on the present inputs; return its logits."""
        invoke(self._interpreter)
        logits_rv: Logits = self._interpreter.get_tensor(self._logits)[:n_rows]
        _check_numbers(logits_rv)
        return logits_rv

    def _filled(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        missing = self.beam_width - len(array)
        if missing == 0:
            return array
        return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])

    def invoke(self) -> None:
        """Run one step on the present content of the inputs; for benchmarks."""
        invoke(self._interpreter)


def invoke(interpreter: Any) -> None:
    """Run an interpreter.

    Raises:
        InferenceError: the runtime failed.
    """
    try:
        interpreter.invoke()
    except (ValueError, RuntimeError) as exc:
        raise InferenceError(f"the runtime failed: {exc}") from exc


def _check_numbers(array: npt.NDArray[np.float32]) -> None:
    if math.isnan(array.sum()):  # the search would treat NaN as words
        raise InferenceError("a logit of the decoder is not a number: export the bundle again")


def _only(details: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    if len(details) != 1:
        raise BundleError(f"{path} has {len(details)} inputs or outputs, expected one")
    return details[0]


def quantized(values: npt.NDArray[np.float32], tensor: dict[str, Any]) -> npt.NDArray[Any]:
    """Return float values in the format of a tensor.

    Args:
        values: of any shape.
        tensor: the tensor's details from the runtime.
    """
    dtype = np.dtype(tensor["dtype"])
    if dtype == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    levels = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    return np.asarray(levels, dtype=dtype)
