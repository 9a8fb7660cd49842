"""A contestant of ``scripts/benchmark --peers``: the bundle, as the device runs it.

    python -m tools.peer_seealoud BUNDLE PICTURE...

A turn is a caption of every picture, from its pixels to its sentence, scaling included.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import cv2

from seealoud.device.errors import PictureError
from seealoud.device.records import Frame
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from tools.peer_worker import Times, serve, take_stdout, times_ms


def main() -> None:
    """Load, warm up and serve."""
    out = take_stdout()
    cv2.setNumThreads(1)
    bundle = load_bundle(Path(sys.argv[1]))
    paths = sys.argv[2:]
    with Captioner(bundle, CaptionOptions(threads=1)) as captioner:
        # One picture in memory at a time, as on the device.
        captions = [captioner.caption(_frame(path)) for path in paths]
        facts = {
            "runtime": f"int8 TFLite, beam {bundle.manifest.search.beam_width}",
            "words": statistics.median(len(c.n_best[0].text.split()) for c in captions),
            "parameters": None,
            "model_bytes": sum(entry.bytes for entry in bundle.manifest.files.values()),
        }
        serve(lambda: [_times(captioner, path) for path in paths], facts, out)


def _times(captioner: Captioner, path: str) -> Times:
    frame = _frame(path)
    return times_ms(lambda: captioner.caption(frame))


def _frame(path: str) -> Frame:
    image_bgr = cv2.imread(path, cv2.IMREAD_COLOR)
    if image_bgr is None:
        raise PictureError(f"cannot read the picture {path}: check the path")
    return Frame.now(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), "benchmark")


if __name__ == "__main__":
    main()
