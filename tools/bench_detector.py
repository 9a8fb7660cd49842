"""Writes docs/detector.json: the detector's formats, sizes and fits, measured side by side.

    .venv/bin/python -m tools.bench_detector PICTURES [--calibration FOLDER]

PICTURES holds ``captions.tsv`` (file name, tab, caption; several lines a picture) and ``images/``.
A detected class counts as right where a caption names it (``device.vision.thing_words``); captions
leave much out, so the precision is a lower bound. With --calibration, a folder of other pictures,
full int8 is measured as well; that takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from seealoud.convert import detector as source
from seealoud.convert.packed_weights import with_packed_weights
from seealoud.device.vision.boxes import letterbox
from seealoud.device.vision.detector import DetectorModel
from tools.detector_quality import (
    Image,
    best,
    bgr,
    boxed,
    cropped,
    quality,
    read_captions,
    read_picture,
    squashed,
    sure,
)

SIZES_PX = (320, 384)
_N_PARITY = 24
_N_CALIBRATION = 100
_MEMORY_PROGRAM = """
import sys
from ai_edge_litert.interpreter import Interpreter
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM:"))
before = peak()
it = Interpreter(model_path=sys.argv[1], num_threads=1)
it.allocate_tensors()
it.invoke()
print((peak() - before) * 1024 / 1e6)
"""


def main() -> int:
    """Measure, write the file, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument(
        "--json",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "docs" / "detector.json",
    )
    options = parser.parse_args()
    captions = read_captions(options.pictures / "captions.tsv")
    images = {name: read_picture(options.pictures / "images" / name) for name in captions}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_formats(Path(folder), options.calibration)
        result = measure(paths, images, captions, options.rounds)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.json}")
    return 0


def write_formats(folder: Path, calibration: Path | None) -> dict[tuple[str, int], Path]:
    """Write the detector in each format and size; return the files."""
    graph, paths = source.source_graph(), {}
    for size_px in SIZES_PX:
        plain = source.float_detector(graph, size_px)
        formats: dict[str, bytes] = {
            "float32": plain,
            "packed (ships)": with_packed_weights(plain),
            "packed, depthwise int8": with_packed_weights(plain, are_depthwise_int8=True),
            "converter's float16": converted(size_px, "float16", None),
            "converter's dynamic range": converted(size_px, "dynamic", None),
        }
        if calibration is not None and size_px == source.SIZE_PX:
            formats["converter's full int8"] = converted(size_px, "int8", calibration)
        for number, (name, content) in enumerate(formats.items()):
            paths[name, size_px] = folder / f"{size_px}-{number}.tflite"
            paths[name, size_px].write_bytes(content)
    return paths


def converted(size_px: int, kind: str, calibration: Path | None) -> bytes:
    """Return the detector as TensorFlow's own converter quantizes it."""

    def pictures() -> Iterator[dict[str, npt.NDArray[np.float32]]]:
        assert calibration is not None
        every = sorted(p for p in calibration.rglob("*") if p.suffix in {".webp", ".jpg", ".png"})
        for number in np.random.default_rng(1).permutation(len(every))[:_N_CALIBRATION]:
            square = letterbox(read_picture(every[number]), size_px).square_hwc
            yield {"picture": square.astype(np.float32)[None]}

    def configure(converter: tf.lite.TFLiteConverter) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = pictures

    return source.float_detector(source.source_graph(), size_px, configure)


def measure(
    paths: dict[tuple[str, int], Path],
    images: dict[str, Image],
    captions: dict[str, tuple[str, ...]],
    rounds: int,
) -> dict[str, Any]:
    """Return all figures."""
    load = round(os.getloadavg()[0], 2)
    models = {key: DetectorModel(path, mean=0, scale=1, threads=1) for key, path in paths.items()}
    times = time_side_by_side(models, rounds)
    shipped = models["packed (ships)", source.SIZE_PX]
    formats = []
    for key, model in models.items():
        print(*key, file=sys.stderr)
        name, size_px = key
        entry: dict[str, Any] = {
            "format": name,
            "size_px": size_px,
            "bytes": paths[key].stat().st_size,
            **times[key],
            "peak_memory_mb": round(peak_memory_mb(paths[key]), 1),
            **parity(model, images),
        }
        # The converter's float16 computes as float32 does.
        if name != "converter's float16":
            entry["quality"] = quality(model, boxed, images, captions)
        formats.append(entry)
    fits = {"letterbox (ships)": boxed, "squashed": squashed, "centre crop": cropped, "BGR": bgr}
    return {
        "schema_version": 1,
        "machine": {
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "load_before": load,
        },
        "rounds": rounds,
        "pictures": len(images),
        "million_macs": {
            size_px: round(macs(paths["float32", size_px].read_bytes()) / 1e6)
            for size_px in SIZES_PX
        },
        "formats": formats,
        "fits": {name: quality(shipped, fit, images, captions) for name, fit in fits.items()},
    }


def time_side_by_side(
    models: dict[tuple[str, int], DetectorModel], rounds: int
) -> dict[tuple[str, int], dict[str, float]]:
    """Return times of one look, on one thread; each round times every model once."""
    rng = np.random.default_rng(0)
    squares = {
        key: rng.integers(0, 256, (model.size_px, model.size_px, 3), dtype=np.uint8)
        for key, model in models.items()
    }
    taken_ms: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for number in range(rounds + 2):
        for key, model in models.items():
            began_s = time.perf_counter()
            model.maps(squares[key])
            if number >= 2:  # the first ones warm up
                taken_ms[key].append((time.perf_counter() - began_s) * 1000)
    return {
        key: {"median_ms": round(statistics.median(ms), 1), "least_ms": round(min(ms), 1)}
        for key, ms in taken_ms.items()
    }


def peak_memory_mb(path: Path) -> float:
    """Return by how much loading and running a model raises a process's peak, in 10^6 bytes."""
    command = [sys.executable, "-c", _MEMORY_PROGRAM, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def macs(content: bytes) -> int:
    """Return the multiply-accumulates of all convolutions."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph, total = model.subgraphs[0], 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        output = graph.tensors[operator.outputs[0]].shape
        kernel = graph.tensors[operator.inputs[min(1, len(operator.inputs) - 1)]].shape
        if code == schema.BuiltinOperator.CONV_2D:
            total += int(np.prod(output)) * int(np.prod(kernel[1:]))
        elif code == schema.BuiltinOperator.DEPTHWISE_CONV_2D:
            total += int(np.prod(output)) * int(np.prod(kernel[1:3]))
    return total


def parity(model: DetectorModel, images: dict[str, Image]) -> dict[str, float]:
    """Return how far log-odds are from the source graph's, and how many sure names are shared."""
    graph, of_cells, largest, shared, either = source.source_graph(), [], 0.0, 0, 0
    for image in list(images.values())[:_N_PARITY]:
        square = letterbox(image, model.size_px).square_hwc
        nodes = [source.LOG_ODDS_NODE, source.SIDES_NODE]
        log_odds, sides = (v[0].numpy() for v in graph.run(square.astype(np.float32)[None], nodes))
        maps = model.maps(square)
        difference = np.abs(maps.log_odds_hwk - log_odds)
        of_cells.append(float(difference.mean()))
        largest = max(largest, float(difference.max()))
        theirs, ours = sure(best(log_odds, sides)), sure(best(*maps))
        shared += len(theirs & ours)
        either += len(theirs | ours)
    return {
        "mean_log_odds_difference": round(statistics.mean(of_cells), 4),
        "largest_log_odds_difference": round(largest, 3),
        "shared_sure_names": round(shared / either, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
