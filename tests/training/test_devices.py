"""Where a run computes: what is found, and that the replicas change nothing but the speed."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training import devices as module
from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.devices import Devices, find_devices, missing_gpu, sum_of_replicas
from seealoud.training.errors import RunConfigError
from seealoud.training.train import _refuse_other_workers
from seealoud.training.trainer import _refuse_idle_replicas

ROOT = Path(__file__).parents[2]
DEADLINE_S = 600.0
# The same float32 sums in another order; measured: 5e-8.
TOLERANCE = 1e-5
CONFIG = RunConfig.model_validate(
    {
        "name": "mine",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
        "extra_data": [{"name": "rooms", "batch_pictures": 3}],
    }
)


def test_a_machine_without_gpu_computes_on_its_cpu() -> None:
    found = find_devices({})
    assert (found.worker, found.n_workers, found.n_replicas, found.is_chief) == (0, 1, 1, True)
    assert re.fullmatch(r"the CPU \((1 core|\d+ cores)\)", found.describe())
    assert sum_of_replicas(3.0) == 3.0
    assert found.sum_of_workers(2.5) == 2.5


def tf_config(index: object, kind: str = "worker", **cluster: list[str]) -> dict[str, str]:
    content = {"cluster": cluster, "task": {"type": kind, "index": index}}
    return {"TF_CONFIG": json.dumps(content)}


def test_one_worker_alone_is_an_ordinary_run() -> None:
    assert find_devices(tf_config(0, worker=["a:1"])) == Devices()


@pytest.mark.parametrize(
    "environ",
    [
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": 3, "task": 4}'},
        tf_config(2, worker=["a:1", "b:1"]),
        tf_config(-1, worker=["a:1", "b:1"]),
        tf_config("0", worker=["a:1", "b:1"]),
        tf_config(0, "ps", worker=["a:1", "b:1"]),
        tf_config(0, worker=["a:1", "b:1"], ps=["c:1"]),
    ],
)
def test_a_wrong_description_of_the_workers_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(RunConfigError, match=r'^TF_CONFIG.* for example \{"cluster": '):
        find_devices(environ)


@pytest.mark.parametrize(("n", "n_workers", "n_local"), [(16, 1, 1), (16, 3, 1), (7, 2, 3)])
def test_the_shares_are_all_of_it_and_nearly_equal(n: int, n_workers: int, n_local: int) -> None:
    workers = [Devices(None, worker, n_workers, n_local) for worker in range(n_workers)]
    rows = [row for worker in workers for row in list(range(n))[worker.share(n)]]
    assert rows == list(range(n))
    bounds = [workers[0].bound(n, replica) for replica in range(n_workers * n_local + 1)]
    sizes = [b - a for a, b in itertools.pairwise(bounds)]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_without_a_picture_for_each_device_is_refused() -> None:
    _refuse_idle_replicas(CONFIG, Devices(None, n_local=3))
    with pytest.raises(RunConfigError, match=r"extra_data\.0\.batch_pictures is 3, but .* 4 dev"):
        _refuse_idle_replicas(CONFIG, Devices(None, n_local=4))


def test_a_gpu_that_is_not_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NVIDIA_DRIVER", tmp_path / "version")
    assert missing_gpu() == ""
    (tmp_path / "version").write_text("NVRM version")
    assert "training-cuda" in missing_gpu()


def test_workers_with_other_settings_or_data_are_refused() -> None:
    """Each worker passes a number that is the same only for the same settings and data."""
    passed: list[float] = []

    class Recorded(Devices):
        def agree(self, number: float) -> bool:
            passed.append(number)
            return len(set(passed)) == 1

    def check(config: RunConfig = CONFIG, words: str = "a dog", said: str = "A dog .") -> None:
        pictures = [CaptionedPicture("1.jpg", Path("1.jpg"), (said,))]
        _refuse_other_workers(Recorded(), config, Vocabulary.from_words(words.split()), pictures)

    check()
    elsewhere = CONFIG.encoder.model_copy(update={"weights": Path("/elsewhere/weights.h5")})
    check(CONFIG.model_copy(update={"encoder": elsewhere}))
    for changed in (
        {"config": CONFIG.model_copy(update={"seed": 2})},
        {"words": "a cat"},
        {"said": "A cat ."},
    ):
        with pytest.raises(RunConfigError, match="workers of mine have different settings or data"):
            check(**changed)
    assert len(set(passed)) == 4


@pytest.mark.slow
def test_two_replicas_give_the_losses_of_one() -> None:
    """Of every step, with two data sets; with rewards, the same words are drawn."""
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "support" / "replica_runs.py"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert set(found) == {"cross-entropy", "self-critical"}
    for kind, (one, two) in found.items():
        assert len(one["steps"]) == 8, kind
        assert two["steps"] == pytest.approx(one["steps"], rel=TOLERANCE), kind
        assert two["dev"] == pytest.approx(one["dev"], rel=TOLERANCE), kind
        assert len(set(one["steps"])) == 8, kind
