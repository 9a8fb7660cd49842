"""The seed's own recipe from end to end: InceptionV3 of a file, frozen, and the merge decoder.

With random weights in place of ImageNet's, at the smallest size that Keras takes: what is held
here is the chain. That the real file has this form is Keras' own doing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from support.smoke import Smoke
from support.tiny_dataset import write_tiny_dataset

from seealoud.training.encoders import build_encoder
from seealoud.training.run_folder import RunFolder

NAME = "inception-tiny"
SIZE_PX = 75
CONFIG = f"""
name = "{NAME}"
[text]
minimum_count = 1
max_words = 8
[encoder]
name = "inception_v3"
input_size_px = {SIZE_PX}
views = 1
[decoder]
name = "merge"
width = 64
dropout = 0.0
[optimiser]
epochs = 12
batch_pictures = 4
learning_rate = 5e-3
label_smoothing = 0.0
ema_decay = 0.8
patience_epochs = 12
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    # Keras 3.15 converts variables in a way that NumPy 2 warns about; only saving does so.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    made = Smoke(tmp_path_factory.mktemp("inception"))
    write_tiny_dataset(made.data, n_train=36)
    made.config.write_text(CONFIG)
    made.commands.mkdir()
    if git := shutil.which("git"):
        (made.commands / "git").symlink_to(git)
    return made


@pytest.fixture(scope="module")
def weights(tiny: Smoke) -> Path:
    """A file as ``keras.applications`` publishes them, whose activations neither fade nor grow."""
    keras.utils.set_random_seed(5)
    model = build_encoder("inception_v3", input_size_px=SIZE_PX, weights=None)
    noise = np.random.default_rng(5).uniform(-1, 1, (8, SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the batch's statistics become the network's
    model(noise, training=True)
    path = tiny.root / "weights.h5"
    model.save(path)
    return path


def test_the_seeds_recipe_becomes_a_bundle(tiny: Smoke, weights: Path) -> None:
    folders = ("--data", tiny.data, "--runs", tiny.runs)
    begun = tiny.execute(
        "seealoud-train", "run", tiny.config, *folders, "--weights", weights.name
    )  # relative to where it runs
    assert begun.returncode == 0, begun.stderr[-2000:]
    folder = RunFolder(tiny.runs / NAME)
    assert folder.read_config().encoder.weights == weights

    # Gone on with, and scored, without the path again.
    again = tiny.execute("seealoud-train", "run", tiny.config, *folders)
    assert (again.returncode, again.stdout) == (0, begun.stdout), again.stderr[-2000:]
    scored = tiny.execute("seealoud-train", "evaluate", NAME, *folders, "--no-meteor")
    assert scored.returncode == 0, scored.stderr[-2000:]
    assert "cider" in scored.stdout

    converted = tiny.execute(
        *("seealoud-convert", NAME, "--no-detector", *folders),
        *("--out", tiny.out, "--records", tiny.records),
    )
    # int8 may change what a network of random weights says: then the bundle is refused, and what
    # was looked at lies in the run's folder all the same.
    if converted.returncode != 0:
        assert "verification failed, no bundle was written" in converted.stderr
    bundle = folder.path / "int8"
    manifest = json.loads((bundle / "manifest.json").read_text())
    expected = {"size_px": SIZE_PX, "mean": 127.5, "scale": 127.5, "mirrored": False}
    assert manifest["input"] == expected
    assert str(weights) not in json.dumps(manifest)  # a path of this machine
    encoder = bundle / "encoder.tflite"
    assert encoder.stat().st_size < 0.3 * weights.stat().st_size  # int8

    picture = min((tiny.data / "images").glob("*.jpg"))
    said = tiny.execute("seealoud", "describe", "--bundle", bundle, picture)
    assert said.returncode == 0, said.stderr[-2000:]
    assert "wall" in said.stdout
