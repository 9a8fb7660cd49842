"""The class layer: names from the captioner's pooled features, taught by the ImageNet classifier.

Invariant: the features are those that the device computes, of the shipped encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.bundle import Bundle
from device.captioner import Captioner, CaptionOptions
from device.records import Frame
from training.encoders import default_cache_dir
from training.features import read_picture
from training.names.pictures import kept

Floats = npt.NDArray[np.float32]


def pooled_features(
    bundle: Bundle, paths: Sequence[Path], *, threads: int = 1, cache_dir: Path | None = None
) -> Floats:
    """Return float32 [pictures, channels] as the device computes them, about 15 ms a picture.

    Raises:
        BundleError: the bundle fails its self-test.
        DatasetError: a picture cannot be read.
    """
    manifest = bundle.manifest
    key = f"{manifest.files['encoder.tflite'].sha256[:16]}-{int(manifest.input.mirrored)}"
    eye = _Eye(bundle, threads)
    found: Floats = kept(
        paths, (cache_dir or default_cache_dir()) / "names" / f"pooled-{key}", eye.look
    )
    return found


class _Eye:
    """The bundle's encoder, loaded when it is first needed."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        self._bundle, self._threads = bundle, threads

    @cached_property
    def _captioner(self) -> Captioner:
        return Captioner(self._bundle, CaptionOptions(threads=self._threads))

    def look(self, path: Path) -> Floats:
        return self._captioner.encode(Frame.now(read_picture(path), path.name)).pooled_d
