"""Trains the same tiny runs on one replica and on two (``tf.distribute``), in one process.

Run as a program: two logical CPUs must be asked for before TensorFlow computes anything. Prints a
JSON: for each kind of run and number of replicas, the losses of the steps and the scores of dev.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.batches import CaptionedFeatures
from seealoud.training.config import ExtraDataConfig, RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.decoders import DecoderSize, MergeDecoder
from seealoud.training.devices import Devices
from seealoud.training.encoders import encoder_spec
from seealoud.training.features import FeatureSource
from seealoud.training.mixed_batches import ExtraFeatures, FeatureSets
from seealoud.training.model import BuiltCaptioner, KerasCaptioner
from seealoud.training.run_folder import RunFolder
from seealoud.training.trainer import Trainer

COLOURS = ("red", "green", "blue")
WORDS = Vocabulary.from_words(["a", "the", "dog", "is", *COLOURS])
MAX_WORDS = 4
KINDS = {"cross-entropy": None, "self-critical": {"cross_entropy_weight": 0.1, "samples": 3}}
EXTRA = ExtraDataConfig(name="homes", batch_pictures=2, loss_weight=0.5)


def captioned(count: int, seed: int) -> CaptionedFeatures:
    rng = np.random.default_rng(seed)
    pictures, features = [], []
    for number in range(count):
        colour = COLOURS[number % len(COLOURS)]
        said = (f"A {colour} dog .", f"The dog is {colour} .")[: 1 + number % 2]
        pictures.append(CaptionedPicture(f"{number}.jpg", Path(f"{number}.jpg"), said))
        features.append(3 * np.eye(3)[number % 3] + rng.normal(0, 0.1, 3))
    cells = np.array(features, np.float16).reshape(-1, 1, 1, 3)
    return CaptionedFeatures(pictures, [cells], WORDS, MAX_WORDS)


def config(kind: str) -> RunConfig:
    return RunConfig.model_validate(
        {
            "name": "mine",
            "text": {"max_words": MAX_WORDS},
            "encoder": {"name": "efficientnet_lite0"},
            "decoder": {"name": "merge", "width": 16, "dropout": 0.0},
            "optimiser": {"epochs": 2, "batch_pictures": 4, "learning_rate": 0.01},
            "self_critical": KINDS[kind],
        }
    )


def losses(kind: str, devices: Devices, folder: RunFolder) -> dict[str, list[float]]:
    settings = config(kind)
    keras.utils.set_random_seed(1)
    size = DecoderSize(len(WORDS), MAX_WORDS, 1, 3, width=16, dropout=0.0)
    with devices.strategy.scope():
        model = KerasCaptioner(MergeDecoder(size), tail=None)
        model((np.zeros((1, 1, 1, 3), np.float32), np.zeros((1, 1, MAX_WORDS + 1), np.int32)))
    source = FeatureSource("efficientnet_lite0", 32)
    built = BuiltCaptioner(model, encoder_spec("efficientnet_lite0"), source, WORDS)
    folder.prepare(settings, WORDS)
    sets = FeatureSets(captioned(16, 1), captioned(6, 2), [ExtraFeatures(captioned(5, 3), EXTRA)])
    trainer = Trainer(settings, built, sets, folder, devices)
    steps: list[float] = []
    step = trainer._objective.step
    trainer._objective.step = lambda parts: steps.append(step(parts)) or steps[-1]
    history = trainer.run()
    return {"steps": steps, "dev": [result.dev_loss for result in history]}


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    mirrored = Devices(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), n_local=2)
    found = {}
    with tempfile.TemporaryDirectory() as root:
        for kind in KINDS:
            found[kind] = [
                losses(kind, devices, RunFolder(Path(root) / f"{kind}-{number}"))
                for number, devices in enumerate((Devices(), mirrored))
            ]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
