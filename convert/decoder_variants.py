"""The decoder in the number formats that the shipped one was chosen from.

    python -m convert.decoder_variants RUN_FOLDER FORMAT GRIDS.npy OUT.tflite

Invariant: each is converted in a process of its own, because the converter ends Python (SIGSEGV)
on graphs that it cannot calibrate. What ships is ``convert.decoder``'s; nothing here is shipped.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from convert.decoder import decoder_signatures, export_decoder
from convert.one_hot_position import with_one_hot_position
from device.vision.beam_search import SearchOptions, State, search
from device.vision.runtime import PREPARE_SIGNATURE, STEP_SIGNATURE
from device.vision.runtime import Decoder as DeviceDecoder
from training.decoders import Decoder
from training.errors import TrainingError
from training.evaluate import search_options
from training.run_folder import RunFolder, load_run
from training.tflite import to_tflite

Format = Literal["dynamic range", "float32", "float16", "int8", "int8, one-hot position"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Of this one convert.decoder makes what ships.
SHIPPED: Format = "dynamic range"
_ONE_HOT: Format = "int8, one-hot position"
INTEGERS: tuple[Format, ...] = ("int8", _ONE_HOT)

Grids = npt.NDArray[np.float32]
Inputs = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of a signature saw in a real search: its inputs by name."""

    signature: str
    inputs: Inputs


def export_format(
    decoder: Decoder, beam_width: int, number_format: Format, samples: Sequence[Sample] = ()
) -> bytes:
    """Return the decoder as TFLite in a number format.

    Args:
        decoder: the trained decoder.
        beam_width: rows of the step, fixed.
        number_format: "float16" halves the weights alone; "int8" computes in integers and keeps
            float32 at its borders, because a state that goes out has another scale than one
            that comes in; the last one does too, see ``convert.one_hot_position``.
        samples: of both signatures, for the formats that compute in integers.
    """
    if number_format in ("float32", SHIPPED):
        return export_decoder(decoder, beam_width, is_quantized=number_format == SHIPPED)
    if number_format == "float16":
        configure: Callable[[tf.lite.TFLiteConverter], None] = _halve
    else:
        configure = partial(_to_integers, samples)
    # Of probabilities in 256 levels most would be zero: the device finds the likeliest by itself.
    signatures = decoder_signatures(
        decoder, beam_width, with_likeliest=number_format not in INTEGERS
    )
    return to_tflite(signatures, decoder.variables, configure)


def _halve(converter: tf.lite.TFLiteConverter) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _to_integers(samples: Sequence[Sample], converter: tf.lite.TFLiteConverter) -> None:
    def representative() -> Iterator[tuple[str, Inputs]]:
        for sample in samples:
            yield sample.signature, sample.inputs

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    # As in the one that ships: tflite-runtime 2.14 must load it.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def rollouts(
    decoder: Decoder, step_by_step: DeviceDecoder, grids: Grids, options: SearchOptions
) -> list[Sample]:
    """Return the inputs of both signatures in real searches over the pictures' features.

    Args:
        decoder: the trained decoder, which prepares.
        step_by_step: the same as float32 TFLite, which steps.
        grids: float32 [pictures, cells, channels], as the shipped encoder sees training pictures.
        options: the search, as wide as the decoder.
    """
    samples: list[Sample] = []
    for grid in grids:
        features = grid[None]
        memory = {f"memory_{i}": m.numpy() for i, m in enumerate(decoder.prepare(features))}
        samples.append(Sample(PREPARE_SIGNATURE, {"features": features}))
        step_by_step.prepare(grid)
        search(
            partial(_recorded_step, step_by_step, memory, samples),
            step_by_step.initial_state(options.beam_width),
            options,
        )
    return samples


def _recorded_step(
    decoder: DeviceDecoder,
    memory: Mapping[str, npt.NDArray[np.float32]],
    samples: list[Sample],
    tokens_r: npt.NDArray[np.int32],
    state: State,
) -> tuple[npt.NDArray[np.float32], State]:
    states = {f"state_{i}": array for i, array in enumerate(state)}
    samples.append(Sample(STEP_SIGNATURE, {"tokens": tokens_r, **memory, **states}))
    return decoder.step(tokens_r, state)


def convert_apart(folder: RunFolder, number_format: Format, grids: Path, out: Path) -> None:
    """Write a run's decoder in a number format, converted in a process of its own.

    Args:
        folder: of the trained run.
        number_format: one of ``FORMATS``.
        grids: a NumPy file of training pictures' features; see ``rollouts``.
        out: the TFLite file.

    Raises:
        TrainingError: the converter refused or died; the message says how.
    """
    command = [sys.executable, "-m", __name__, str(folder.path), number_format]
    done = subprocess.run(
        [*command, str(grids), str(out)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TrainingError(f"{number_format}: {_end_of(done.returncode, done.stderr)}")


def _end_of(return_code: int, errors: str) -> str:
    """Return what a process died of, in one line."""
    if return_code < 0:
        return f"the converter died of {signal.Signals(-return_code).name}"
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1] if lines else f"the converter ended with {return_code} and no word"


def main(arguments: Sequence[str]) -> None:
    """Convert one format; see the module."""
    path, number_format, grids, out = arguments
    chosen = next(known for known in FORMATS if known == number_format)
    config, built = load_run(RunFolder(Path(path)))
    decoder, width = built.model.decoder, config.search.beam_width
    if chosen == _ONE_HOT:
        decoder = with_one_hot_position(decoder)
    samples: Sequence[Sample] = ()
    if chosen in INTEGERS:
        floating = Path(out).with_suffix(".float32.tflite")
        floating.write_bytes(export_format(decoder, width, "float32"))
        try:
            options = search_options(config)
            samples = rollouts(decoder, DeviceDecoder(floating), np.load(grids), options)
        finally:
            floating.unlink()
    Path(out).write_bytes(export_format(decoder, width, chosen, samples))


if __name__ == "__main__":
    main(sys.argv[1:])
