"""The class layer: names from the captioner's pooled features, taught by the ImageNet classifier.

Invariant: the features are those that the device computes, of the shipped encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.device.records import Frame
from seealoud.device.vision.bundle import Bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.vision.manifest import ENCODER
from seealoud.device.vision.names import softmax
from seealoud.training.encoders import default_cache_dir, load_encoder_weights
from seealoud.training.features import read_picture
from seealoud.training.names.teacher import TEACHER, kept

EPOCHS = 20
FAINT = 0.01  # of a class: ten times what smoothed labels leave to each
# ImageNet's classifiers find a "studio couch, day bed" in every second bedroom.
CONFUSED = (("couch", "bed"),)
_BATCH = 500
_RATE = 1e-3
_LEAST_SPREAD = 1e-3  # of a channel's standard deviation, which divides
_LEAST_SHARE = 1e-9
_NO_CLASS = -1e4  # logit of a name that only has narrower names

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
    key = f"{manifest.files[ENCODER].sha256[:16]}-{int(manifest.input.mirrored)}"
    eye = _Eye(bundle, threads)
    folder = (cache_dir or default_cache_dir()) / "names" / f"pooled-{key}"
    found: Floats = kept(paths, folder, eye.look)
    return found


class _Eye:
    """The bundle's encoder, loaded when it is first needed."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        self._bundle = bundle
        self._threads = threads

    @cached_property
    def _captioner(self) -> Captioner:
        return Captioner(self._bundle, CaptionOptions(threads=self._threads))

    def look(self, path: Path) -> Floats:
        return self._captioner.encode(Frame.now(read_picture(path), path.name)).pooled_d


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Logits of names, and of anything else in the last column.

    Attributes:
        weights_dn: float32 [channels, names + 1].
        bias_n: float32 [names + 1].
    """

    weights_dn: Floats
    bias_n: Floats

    def probabilities(self, pooled_bd: Floats) -> Floats:
        """Return float32 [pictures, names + 1]; the names exclude each other."""
        return softmax(pooled_bd @ self.weights_dn + self.bias_n)


def class_groups(names: Sequence[str], table: Sequence[str]) -> Floats:
    """Return float32 [classes, names]: 1 where a class is called by a name itself."""
    group = np.array([[of_class == name for name in names] for of_class in table])
    return group.astype(np.float32)


def targets(probabilities_bk: npt.NDArray[Any], group_kn: Floats) -> Floats:
    """Return float32 [pictures, names + 1]: the teacher, summed by name; rows sum to 1.

    What it spreads thinly over all classes goes to the last column: it was trained with smoothed
    labels, and 118 breeds of dog would make a tenth of a dog in every picture.
    """
    sure_bk = np.where(probabilities_bk < FAINT, 0, probabilities_bk).astype(np.float32)
    named_bn = sure_bk @ group_kn
    return np.column_stack([named_bn, np.clip(1.0 - named_bn.sum(axis=1), 0.0, 1.0)])


def told_apart(
    targets_bn: Floats, confirmed_bn: npt.NDArray[np.bool_], names: Sequence[str]
) -> Floats:
    """Return targets in which captions and labels overrule the teacher's confusions.

    Where captions or labels confirm the second of two names in ``CONFUSED`` and not the first, the
    first's share is the second's.

    Args:
        targets_bn: float32 [pictures, names + 1].
        confirmed_bn: bool [pictures, names], False where nothing is known.
        names: names of the columns.
    """
    made = targets_bn.copy()
    for wrong, right in CONFUSED:
        first, second = names.index(wrong), names.index(right)
        rows = confirmed_bn[:, second] & ~confirmed_bn[:, first]
        made[rows, second] += made[rows, first]
        made[rows, first] = 0.0
    return made


def first_layer(group_kn: Floats, pooled_bd: Floats) -> Layer:
    """Return the layer to start from: of each name the mean of its classes in the classifier.

    Fine-tuning moves the encoder's features little, so this alone names much already, and what
    few or no teaching pictures show keeps its name.
    """
    original = load_encoder_weights(TEACHER)
    weights_dk, bias_k = original["classifier/kernel"], original["classifier/bias"]
    weights_dk = weights_dk - weights_dk.mean(axis=1, keepdims=True)
    n_classes = group_kn.sum(axis=0)
    weights_dn = weights_dk @ group_kn / np.maximum(n_classes, 1)
    bias_n = bias_k @ group_kn / np.maximum(n_classes, 1) + 0.5 * np.log(np.maximum(n_classes, 1))
    bias_n = np.where(n_classes > 0, bias_n, _NO_CLASS)
    odds_b = np.exp(pooled_bd @ weights_dn + bias_n).sum(axis=1)
    return Layer(
        np.column_stack([weights_dn, np.zeros(len(weights_dn))]).astype(np.float32),
        np.append(bias_n, np.log(np.median(odds_b))).astype(np.float32),
    )


def fit_layer(pooled_bd: Floats, targets_bn: Floats, start: Layer, ridge: float) -> Layer:
    """Return the layer of least cross-entropy + ``ridge`` / 2 * squared distance from ``start``.

    Args:
        pooled_bd: float32 [pictures, channels].
        targets_bn: float32 [pictures, names + 1], rows sum to 1.
        start: where to begin, and what to stay near.
        ridge: > 0, of weights per standard deviation of each channel.
    """
    mean_d, spread_d = pooled_bd.mean(axis=0), pooled_bd.std(axis=0) + _LEAST_SPREAD
    x_bd = ((pooled_bd - mean_d) / spread_d).astype(np.float32)
    begin = (start.weights_dn * spread_d[:, None]).astype(np.float32)
    weights, bias = tf.Variable(begin), tf.Variable(start.bias_n + mean_d @ start.weights_dn)
    n_batches = -(-len(x_bd) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_RATE, EPOCHS * n_batches)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([weights, bias])

    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            entropy = tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=x @ weights + bias)
            loss = tf.reduce_mean(entropy) + ridge / 2 * tf.reduce_sum((weights - begin) ** 2)
        optimizer.apply(tape.gradient(loss, [weights, bias]), [weights, bias])

    compiled = tf.function(step, reduce_retracing=True)
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        for rows in np.array_split(rng.permutation(len(x_bd)), n_batches):
            compiled(tf.constant(x_bd[rows]), tf.constant(targets_bn[rows]))
    weights_dn = weights.numpy() / spread_d[:, None]
    return Layer(
        weights_dn.astype(np.float32), (bias.numpy() - mean_d @ weights_dn).astype(np.float32)
    )


def cross_entropy(layer: Layer, pooled_bd: Floats, targets_bn: Floats) -> float:
    """Return the mean cross-entropy of pictures, nats."""
    found = np.log(np.maximum(layer.probabilities(pooled_bd), _LEAST_SHARE))
    return float(-np.mean(np.sum(targets_bn * found, axis=1)))
