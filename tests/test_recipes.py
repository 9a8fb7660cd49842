"""The recipes for clusters, run with stand-ins for the commands of a cluster, and the notebook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from support.smoke import DEADLINE_S, NAME, Done, Smoke
from support.tiny_dataset import write_kaggle_copy

from seealoud.device.vision.bundle import load_bundle
from seealoud.training.devices import _worker_of

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "docs" / "recipes"
DEFINITIONS = ROOT / "tests" / "support" / "kubernetes-1.37.json"
# Jupyter's part in running a notebook: one cell after the other, in one name space.
RUN_NOTEBOOK = """
import json, sys
names = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), sys.argv[1], "exec"), names)
"""
TRAIN = '#!/bin/bash\necho "$TF_CONFIG"; echo "$@"; echo "$SEEALOUD_CACHE"\n'


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a program in the place of the training, which prints what it was given."""
    program(tmp_path / ".venv" / "bin" / "seealoud-train", TRAIN)
    return tmp_path


def test_slurm_starts_a_worker_on_each_node(checkout: Path) -> None:
    bin_ = checkout / "bin"
    program(
        bin_ / "scontrol",
        '#!/bin/bash\n[[ "$*" == "show hostnames n[1-2]" ]] && printf "n1\\nn2\\n"',
    )
    program(
        bin_ / "srun",
        '#!/bin/bash\nshift\nfor SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done\n',
    )
    environ = {
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "SLURM_SUBMIT_DIR": str(checkout),
        "SLURM_JOB_ID": "41234",
        "SLURM_JOB_NODELIST": "n[1-2]",
    }
    command = ("bash", RECIPES / "slurm.sbatch", "mine", "--data", "a b")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [_worker_of(lines[k]) for k in (0, 3)] == [(0, 2), (1, 2)]
    assert json.loads(lines[0])["cluster"] == {"worker": ["n1:21234", "n2:21234"]}
    assert lines[1] == lines[4] == "run mine --data a b"
    assert lines[2] == str(checkout / "cache")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_slurm_script_is_clean() -> None:
    subprocess.run(("shellcheck", "--shell=bash", RECIPES / "slurm.sbatch"), check=True)


@pytest.mark.parametrize("mistake", [None, "completion", "port", "kind"])
def test_kubernetes_accepts_the_job(mistake: str | None) -> None:
    """By Kubernetes' own definitions, in which unknown keys are errors."""
    jsonschema = pytest.importorskip("jsonschema", reason="the extra dev is not installed")
    definitions = json.loads(DEFINITIONS.read_text(encoding="utf-8"))
    text = (RECIPES / "kubernetes.yaml").read_text(encoding="utf-8")
    if mistake == "completion":
        text = text.replace("completions:", "completion:")
    elif mistake == "port":
        text = text.replace("containerPort: 2222", "containerPort: http")
    elif mistake == "kind":
        text = text.replace("kind: Job", "kind: Jobs")
    kinds = {"Service": "io.k8s.api.core.v1.Service", "Job": "io.k8s.api.batch.v1.Job"}
    errors = []
    for document, name in zip(yaml.safe_load_all(text), kinds.values(), strict=True):
        schema = {**definitions, "$ref": f"#/$defs/{name}"}
        errors += list(jsonschema.Draft202012Validator(schema).iter_errors(document))
    assert bool(errors) is (mistake is not None), errors


def test_kubernetes_starts_as_many_workers_as_know_each_other(checkout: Path) -> None:
    service, job = yaml.safe_load_all((RECIPES / "kubernetes.yaml").read_text())
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    workers = []
    for index in range(spec["completions"]):
        environ = {**os.environ, "JOB_COMPLETION_INDEX": str(index)}
        environ |= {one["name"]: one["value"] for one in container["env"]}
        done = subprocess.run(
            container["command"],
            env=environ,
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
        )
        content, arguments, cache = done.stdout.splitlines()
        assert _worker_of(content) == (index, spec["parallelism"])
        assert arguments.startswith("run lite2-transformer --data /shared")
        assert cache.startswith(container["volumeMounts"][0]["mountPath"])
        workers.append(json.loads(content)["cluster"]["worker"])
    port = container["ports"][0]["containerPort"]
    # What an indexed job's pods are called, in the domain of the headless service.
    names = [f"{job['metadata']['name']}-{k}.{pod['subdomain']}:{port}" for k in range(2)]
    assert workers == [names, names]
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}


@pytest.mark.slow
@pytest.mark.long
def test_the_notebook_ends_with_a_bundle(smoke: Smoke, trained: Done, tmp_path: Path) -> None:
    """On a Kaggle copy of the tiny run's data; what that run has trained is found in its cache."""
    assert trained.returncode == 0, trained.stderr[-2000:]
    shutil.copytree(smoke.cache, tmp_path / "cache")
    shutil.copytree(smoke.run, tmp_path / "cache" / "runs" / NAME)
    environ = {
        **smoke.environment(),
        "SEEALOUD_CACHE": str(tmp_path / "cache"),
        "SEEALOUD_WORK": str(tmp_path),
        "SEEALOUD_FLICKR8K": str(write_kaggle_copy(smoke.data, tmp_path / "kaggle")),
        "SEEALOUD_RECIPE": str(smoke.config),
        "SEEALOUD_INSTALLED": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN_NOTEBOOK, RECIPES / "kaggle.ipynb"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "the official split of Flickr8k is used (train 240, dev 12, test 12" in done.stdout
    archive = tmp_path / f"{NAME}.zip"
    assert done.stdout.splitlines()[-1] == str(archive)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "unpacked")
    assert load_bundle(tmp_path / "unpacked" / NAME).name == NAME
