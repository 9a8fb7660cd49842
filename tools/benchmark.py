"""Measures the time of every stage and the memory on this machine, float32 beside int8.

Variants and thread counts take turns within each round, so that other load on the machine affects
all of them alike; they are compared by medians and 95th percentiles, never by means.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from device.errors import PictureError, SeeAloudError
from device.vision.bundle import find_bundle, load_bundle
from tools.bench_captions import CaptionCase, Image, measure_captions
from tools.bench_memory import captioner_peak_mb
from tools.bench_peers import Contestant, contestants, measure_peers
from tools.bench_report import machine_facts, print_report
from tools.bench_speech import measure_speech
from tools.peer_venv import peers_python
from tools.samples import sample_pictures

_CACHE = "SEEALOUD_CACHE"
_NO_FLOAT = (
    "No float32 variant: seealoud-convert RUN leaves one in the run's folder; give that folder "
    "with --float."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = _parse(arguments)
    try:
        result = _measure(options)
    except SeeAloudError as exc:
        print(f"benchmark: {exc}", file=sys.stderr)
        return exc.exit_code
    print_report(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures as plain values, as they are written with ``--json``."""
    folder = find_bundle(options.bundle)
    bundle = load_bundle(folder)
    variants = {"int8": bundle}
    float_folder = options.float or default_float_folder(bundle.name)
    if float_folder is not None:
        variants["float32"] = load_bundle(float_folder)
    else:
        print(_NO_FLOAT, file=sys.stderr)
    paths = options.pictures or sample_pictures()
    images = {path.name: _read(path) for path in paths}
    # Before anything is measured: what they need may be missing.
    entered = _peers(folder, paths) if options.peers else []
    threads = sorted({1, os.cpu_count() or 1})
    cases = [CaptionCase(name, v, n) for name, v in variants.items() for n in threads]
    captions = measure_captions(cases, list(images.values()), options.runs)
    for measured, case in zip(captions, cases, strict=True):
        measured["peak_memory_mb"] = captioner_peak_mb(case)
    result = {
        "machine": machine_facts(),
        "bundle": bundle.name,
        "pictures": list(images),
        "runs": options.runs,
        "captions": captions,
        "speech": measure_speech(threads, options.runs),
    }
    if entered:
        result["peers"] = measure_peers(entered, options.peer_rounds)
    return result


def _peers(bundle: Path, pictures: Sequence[Path]) -> list[Contestant]:
    """Install what ``--peers`` needs and return the contestants."""
    if importlib.util.find_spec("tensorflow") is None:
        raise SeeAloudError("--peers needs TensorFlow for the seed's way: scripts/setup training")
    return contestants(bundle, pictures, peers_python(_cache_folder() / "peers-venv"))


def default_float_folder(name: str) -> Path | None:
    """Return where ``seealoud-convert`` leaves a run's float32 variant, if it has."""
    folder = _cache_folder() / "runs" / name / "float32"
    return folder if (folder / "manifest.json").is_file() else None


def _cache_folder() -> Path:
    return Path(os.environ.get(_CACHE) or Path.home() / ".cache" / "seealoud")


def _read(path: Path) -> Image:
    image_bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image_bgr is None:
        raise PictureError(f"cannot read the picture {path}: check the path")
    image_hwc: Image = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
    return image_hwc


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/benchmark",
        description="Compares variants of the bundle, and other captioners. To measure a device: "
        "seealoud benchmark",
    )
    parser.add_argument(
        "pictures", nargs="*", type=Path, metavar="PICTURE", help="default: those of the demo"
    )
    parser.add_argument("--bundle", metavar="NAME|PATH", help="default: the one that ships")
    parser.add_argument(
        "--float",
        type=Path,
        metavar="DIR",
        help="the float32 variant of the bundle; default: where seealoud-convert left it",
    )
    parser.add_argument("--runs", type=int, default=10, help="rounds over all pictures [10]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also compare with BLIP-base in PyTorch and with the seed's way in Keras; "
        "installs both (4 GB of disk), takes 3 GB of memory and some minutes",
    )
    parser.add_argument(
        "--peer-rounds", type=int, default=5, metavar="N", help="rounds of --peers [5]"
    )
    options = parser.parse_args(arguments)
    if min(options.runs, options.peer_rounds) < 1:
        parser.error("--runs and --peer-rounds must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
