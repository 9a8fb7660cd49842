"""Proves that the Keras EfficientNet-Lites compute what the PyTorch originals compute.

Runs the packages' own PyTorch implementation and the ported Keras models on the same
photographs, prints the largest difference of the grid features and whether the five best
classes agree, and on request writes a few PyTorch numbers as a golden file, against which the
everyday tests compare Keras without PyTorch:

    pip install -e '.[training,dev,prove]'
    python -m training.encoders.prove_port --golden tests/training/golden/efficientnet_lite.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from training.encoders.efficientnet_lite import LITE_NAMES, build_efficientnet_lite
from training.encoders.named_weights import apply_weights
from training.encoders.port import checkpoint_path, load_imagenet_weights
from training.encoders.registry import EncoderSpec, encoder_spec

PICTURES = ("chelsea", "coffee", "rocket", "astronaut")
SAMPLES = 16  # feature values kept per picture in the golden file
TOP = 5
TOLERANCE = 2e-4  # of features 0..6; float32 sums in another order differ by 3e-5
_RELU6_MAX = 6.0
_FIELD_PX = 224  # the project's own picture size, checked besides each native size


def golden_pictures(size_px: int) -> NDArray[np.uint8]:
    """Return scikit-image's photographs as uint8 RGB ``[len(PICTURES), size_px, size_px, 3]``."""
    from skimage import data

    return np.stack([_square(getattr(data, name)(), size_px) for name in PICTURES])


def normalised(images_bhwc: NDArray[np.uint8], spec: EncoderSpec) -> NDArray[np.float32]:
    """Return the pictures as the encoder of ``spec`` wants them."""
    return ((images_bhwc.astype(np.float32) - spec.mean) / spec.scale).astype(np.float32)


def sample_positions(flat_features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return ``SAMPLES`` positions spread evenly over the features that are neither 0 nor 6.

    Behind ReLU6 about 19 of 20 features are zero, and equal zeros would prove nothing.
    """
    informative = np.flatnonzero((flat_features > 0) & (flat_features < _RELU6_MAX))
    picks = np.linspace(0, len(informative) - 1, SAMPLES).astype(np.int64)
    positions: NDArray[np.int64] = informative[picks]
    return positions


def keras_outputs(
    spec: EncoderSpec, x_bhwc: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the grid features ``[B, h, w, 1280]`` and logits ``[B, 1000]`` of the port."""
    import keras

    whole = build_efficientnet_lite(spec.name, spec.input_size_px, classifier=True)
    apply_weights(whole, load_imagenet_weights(spec.name))
    both = keras.Model(whole.input, [whole.get_layer("head_relu6").output, whole.output])
    grid, logits = both(x_bhwc, training=False)
    return np.asarray(grid), np.asarray(logits)


def torch_outputs(
    spec: EncoderSpec, x_bhwc: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the same as ``keras_outputs``, computed by the PyTorch package."""
    import torch
    from efficientnet_lite_pytorch import (  # type: ignore[import-not-found,unused-ignore]
        EfficientNet,
    )

    model = EfficientNet.from_name(spec.name.replace("_", "-"), image_size=spec.input_size_px)
    model.load_state_dict(torch.load(checkpoint_path(spec.name), weights_only=True))
    model.eval()
    with torch.no_grad():
        x_bchw = torch.from_numpy(np.ascontiguousarray(x_bhwc.transpose(0, 3, 1, 2)))
        grid_bchw, logits = model.extract_features(x_bchw), model(x_bchw)
    return grid_bchw.numpy().transpose(0, 2, 3, 1), logits.numpy()


def top_classes(logits: NDArray[np.float32]) -> list[list[int]]:
    """Return per picture the ``TOP`` ImageNet class indices (0..999), best first."""
    best: list[list[int]] = np.argsort(-logits, axis=-1)[:, :TOP].tolist()
    return best


def compare(spec: EncoderSpec) -> tuple[float, dict[str, Any]]:
    """Print the comparison for one model and size.

    Returns:
        The largest difference of any grid feature, and PyTorch's numbers for the golden file.
    """
    x_bhwc = normalised(golden_pictures(spec.input_size_px), spec)
    torch_grid, torch_logits = torch_outputs(spec, x_bhwc)
    keras_grid, keras_logits = keras_outputs(spec, x_bhwc)
    worst = float(np.abs(torch_grid - keras_grid).max())
    torch_top, keras_top = top_classes(torch_logits), top_classes(keras_logits)
    top1 = sum(a[0] == b[0] for a, b in zip(torch_top, keras_top, strict=True))
    top5 = sum(a == b for a, b in zip(torch_top, keras_top, strict=True))
    click.echo(
        f"{spec.name} {spec.input_size_px} px: features max |diff| {worst:.2e} "
        f"(of max {torch_grid.max():.2f}), logits {np.abs(torch_logits - keras_logits).max():.2e}, "
        f"top-1 agree {top1}/{len(PICTURES)}, ordered top-5 {top5}/{len(PICTURES)}"
    )
    return worst, _golden(spec, torch_grid, torch_logits)


@click.command()
@click.option("--golden", type=click.Path(path_type=Path), help="Write PyTorch's numbers here.")
def main(golden: Path | None) -> None:
    """Compare the ported models with PyTorch's; exit 1 when they differ."""
    worst, goldens = 0.0, []
    for name in LITE_NAMES:
        native = encoder_spec(name)
        for size_px in sorted({_FIELD_PX, native.input_size_px}):
            difference, record = compare(encoder_spec(name, input_size_px=size_px))
            worst = max(worst, difference)
            goldens.append(record)
    if golden is not None:
        golden.write_text(
            "[\n" + ",\n".join(map(json.dumps, goldens)) + "\n]" + "\n", encoding="utf-8"
        )
        click.echo(f"wrote {golden} ({golden.stat().st_size} bytes)")
    if worst > TOLERANCE:
        raise SystemExit(f"the port differs from PyTorch by {worst:.2e} > {TOLERANCE}")


def _golden(
    spec: EncoderSpec, grid_bhwc: NDArray[np.float32], logits_bc: NDArray[np.float32]
) -> dict[str, Any]:
    pictures: dict[str, Any] = {}
    for i, top in enumerate(top_classes(logits_bc)):
        flat = grid_bhwc[i].reshape(-1)
        positions = sample_positions(flat)
        pictures[PICTURES[i]] = {
            "top5": top,
            "top5_logits": [round(float(v), 5) for v in logits_bc[i, top]],
            "positions": positions.tolist(),
            "features": [round(float(v), 5) for v in flat[positions]],
            "mean": round(float(flat.mean()), 6),
        }
    return {"name": spec.name, "input_size_px": spec.input_size_px, "pictures": pictures}


def _square(image_hwc: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Cut the middle square and resize it bilinearly.

    Written out here because libraries' resizing differs between versions, and then so would
    the golden numbers.
    """
    height, width, _ = image_hwc.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image_hwc[top : top + side, left : left + side].astype(np.float64)
    centres = np.clip((np.arange(size_px) + 0.5) * side / size_px - 0.5, 0, side - 1)
    low = np.minimum(centres.astype(np.int64), side - 2)
    share = centres - low
    rows = square[low] * (1 - share)[:, None, None] + square[low + 1] * share[:, None, None]
    both = rows[:, low] * (1 - share)[:, None] + rows[:, low + 1] * share[:, None]
    pixels: NDArray[np.uint8] = np.rint(both).astype(np.uint8)
    return pixels


if __name__ == "__main__":
    main()
