"""The recipes for clusters, run with stand-ins for the commands of a cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from seealoud.training.devices import _worker_of

RECIPES = Path(__file__).parent.parent / "docs" / "recipes"
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
