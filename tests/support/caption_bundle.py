"""``python -m support.caption_bundle BUNDLE`` prints what a bundle says of pictures, as JSON.

On stdin comes a JSON object: by a picture's path a caption whose likelihood is asked for. It needs
the device's core alone, so that it runs in the environment of an old runtime.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.vision.beam_search import log_probability
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Decoder, Encoder

_RUNTIMES = ("ai_edge_litert", "tflite_runtime")


def caption_bundle(folder: Path, texts: dict[str, str]) -> dict[str, Any]:
    """Return what a bundle says of pictures on the runtime that is here.

    Args:
        folder: the bundle.
        texts: by a picture's path words of the bundle's vocabulary.

    Returns:
        ``runtime``: which ones were loaded; and by path ``text`` and ``score`` of the best
        caption, and ``log_probability`` of the words in ``texts``.
    """
    bundle = load_bundle(folder)
    spec = bundle.manifest.input
    encoder = Encoder(bundle.encoder, mean=spec.mean, scale=spec.scale, threads=1)
    decoder = Decoder(bundle.decoder)
    said: dict[str, Any] = {}
    with Captioner(bundle) as captioner:
        for path, text in texts.items():
            frame = read_picture_file(Path(path), path)
            best = captioner.caption(frame).n_best[0]
            decoder.prepare(encoder.encode(preprocess(frame.image_hwc, encoder.size_px)))
            ids = bundle.vocabulary.encode(text.split())
            likelihood = log_probability(decoder.step, decoder.initial_state(1), ids)
            said[path] = {"text": best.text, "score": best.score, "log_probability": likelihood}
    return {"runtime": [name for name in _RUNTIMES if name in sys.modules], **said}


if __name__ == "__main__":
    print(json.dumps(caption_bundle(Path(sys.argv[1]), json.load(sys.stdin))))  # noqa: T201
