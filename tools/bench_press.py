"""Times a press: encoder, decoder, detector, and all of them in sequence and in parallel.

    python -m tools.bench_press BUNDLE PICTURE... [--runs N] [--threads N]

Prints medians in milliseconds over all runs and pictures. The two ways alternate, so that other
load on the machine slows both alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.records import Frame
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.vision.confidence import ConfidenceModel
from seealoud.device.vision.describe import FrameDescriber
from seealoud.device.vision.detector import Detector
from seealoud.device.vision.native_stderr import captured_native_stderr
from seealoud.device.vision.picture_gate import PictureGate
from seealoud.device.vision.thing_finder import open_finder

_MS = 1000.0
_WARM_UPS = 3


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * _MS


def measure(folder: Path, frames: list[Frame], runs: int, threads: int) -> dict[str, list[float]]:
    """Return wall times in milliseconds by stage.

    Raises:
        SystemExit: the bundle names no things, or every picture is refused.
        BundleError: the bundle fails its self-test.
    """
    bundle = load_bundle(folder)
    with captured_native_stderr():
        captioner = Captioner(bundle, CaptionOptions(threads=threads))
        finder = open_finder(bundle, threads)
        if finder is None or bundle.manifest.detector is None:
            raise SystemExit(f"bundle {folder} has no detector, or no calibration of things")
        detector = Detector(bundle, threads=threads)
    sight = FrameDescriber(PictureGate(), captioner, ConfidenceModel(bundle), finder)
    found: dict[str, list[float]] = {}
    with closing(sight), closing(detector):
        # A picture that is refused costs less.
        frames = [frame for frame in frames if sight.look(frame).caption is not None]
        if not frames:
            raise SystemExit("every picture is refused: give others")
        for run in range(_WARM_UPS + runs):
            for frame in frames:
                times = _times(captioner, detector, sight, frame)
                if run >= _WARM_UPS:
                    for name, took_ms in times.items():
                        found.setdefault(name, []).append(took_ms)
    return found


def _times(
    captioner: Captioner, detector: Detector, sight: FrameDescriber, frame: Frame
) -> dict[str, float]:
    """Return the wall times of one frame, stage by stage, and of the whole look at it."""
    seen = []
    encode_ms = _timed(lambda: seen.append(captioner.encode(frame)))
    decode_ms = _timed(lambda: captioner.decode(seen[0]))
    detect_ms = _timed(lambda: detector.detect(frame.image_hwc))
    return {
        "encode": encode_ms,
        "decode": decode_ms,
        "detect": detect_ms,
        "one after the other": encode_ms + decode_ms + detect_ms,
        "at once (FrameDescriber.look)": _timed(lambda: sight.look(frame)),
    }


def main() -> None:
    """Print the medians, and the ratio of both ways."""
    parser = argparse.ArgumentParser(description="Time the stages of a press.")
    parser.add_argument("bundle", help="a bundle with a detector")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=20, help="of every picture")
    parser.add_argument("--threads", type=int, default=1, help="of encoder and detector, each")
    given = parser.parse_args()
    frames = [read_picture_file(path, str(path)) for path in given.pictures]
    found = measure(find_bundle(given.bundle), frames, given.runs, given.threads)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, times in found.items():
        print(f"{name:22} {median(times):6.1f} ms   best {min(times):6.1f} ms")
    both = zip(found["at once (FrameDescriber.look)"], found["one after the other"], strict=True)
    print(f"{'ratio of both':22} {median(once / apart for once, apart in both):6.2f}")


if __name__ == "__main__":
    main()
