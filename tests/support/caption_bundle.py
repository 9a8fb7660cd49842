"""``python -m support.caption_bundle BUNDLE PICTURE…`` prints what a bundle says, as JSON.

It needs the device's core alone, so that it runs in the environment of an old runtime.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from device.bundle import load_bundle
from device.captioner import Captioner
from device.sources.files import read_picture_file


def caption_bundle(folder: Path, pictures: list[Path]) -> dict[str, Any]:
    """Return the runtime's name, and of each picture [text, log-probability, score] n-best."""
    with Captioner(load_bundle(folder)) as captioner:
        said = {}
        for path in pictures:
            frame = read_picture_file(path, path.name)
            said[path.name] = [
                [hypothesis.text, hypothesis.log_probability, hypothesis.score]
                for hypothesis in captioner.caption(frame).n_best
            ]
    runtimes = ("ai_edge_litert", "tflite_runtime")
    return {"runtime": [name for name in runtimes if name in sys.modules], "said": said}


if __name__ == "__main__":
    bundle, *paths = map(Path, sys.argv[1:])
    print(json.dumps(caption_bundle(bundle, paths)))  # noqa: T201 - its only output
