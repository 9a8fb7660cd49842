"""One tiny run, trained, killed, continued and converted by real processes.

It is made once per session and shared: training and conversion take half a minute. The user's
cache and the project's ``models/`` are not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.tiny_dataset import write_tiny_dataset

ROOT = Path(__file__).parents[2]
NAME = "tiny"
SIZE_PX = 64
BEAM_WIDTH = 3
MAX_WORDS = 8
N_TRAIN = 240
EPOCHS, BATCH = 4, 4
STEPS = N_TRAIN // BATCH  # an epoch
DEADLINE_S = 300.0  # of one process; a busy CI machine takes a fifth of it
_POLL_S = 0.02

CONFIG = f"""
name = "{NAME}"
note = "smoke test"
[text]
minimum_count = 2
max_words = {MAX_WORDS}
[encoder]
name = "efficientnet_lite0"
input_size_px = {SIZE_PX}
trainable_from_block = 15
views = 2
[decoder]
name = "transformer"
width = 32
n_heads = 4
n_decoder_layers = 1
[optimiser]
epochs = {EPOCHS}
batch_pictures = {BATCH}
learning_rate = 5e-3
encoder_learning_rate = 1e-3
ema_decay = 0.9
patience_epochs = {EPOCHS}
checkpoint_period_s = 0.3
[search]
beam_width = {BEAM_WIDTH}
"""

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Smoke:
    """Where everything of the tiny run lies, all below one temporary folder."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def config(self) -> Path:
        return self.root / "tiny.toml"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def run(self) -> Path:
        return self.runs / NAME

    @property
    def out(self) -> Path:
        return self.root / "models"

    @property
    def bundle(self) -> Path:
        return self.out / NAME

    @property
    def records(self) -> Path:
        return self.root / "records"

    def environment(self) -> dict[str, str]:
        """Return an environment without Java: METEOR's start, six times, costs half a minute."""
        return {
            **os.environ,
            "SEEALOUD_CACHE": str(self.cache),
            "PYTHONPATH": str(ROOT),
            "PATH": str(self.commands),
        }

    @property
    def commands(self) -> Path:
        return self.root / "bin"

    def start(self, program: str, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_program(program), *map(str, arguments)],
            env=self.environment(),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def execute(self, program: str, *arguments: object) -> Done:
        with self.start(program, *arguments) as process:
            try:
                stdout, stderr = process.communicate(timeout=DEADLINE_S)
            finally:
                process.kill()
        return Done(process.args, process.returncode, stdout, stderr)

    def train(self) -> tuple[object, ...]:
        """Return the arguments of ``seealoud-train`` that begin the run, or go on with it."""
        return "run", self.config, "--data", self.data, "--runs", self.runs


def _program(name: str) -> list[str]:
    """Return the installed command, or the same as a module where it is not installed."""
    command = shutil.which(name, path=str(Path(sys.executable).parent))
    modules = {
        "seealoud": "seealoud",
        "seealoud-train": "seealoud.training",
        "seealoud-convert": "seealoud.convert",
        "reproduce": "seealoud.convert.reproduce",  # scripts/reproduce, which would set up first
    }
    return [command] if command else [sys.executable, "-m", modules[name]]


@dataclass(frozen=True)
class Killed:
    """What was left of a run that was killed in the midst of its first epoch."""

    exit_code: int
    checkpoints: tuple[str, ...]
    has_history: bool


def kill_when_it_has(file: Path, smoke: Smoke, program: str, *arguments: object) -> int:
    """Start a program, end it by SIGKILL as soon as it has written a file; return its exit code."""
    deadline = time.monotonic() + DEADLINE_S
    with smoke.start(program, *arguments) as process:
        try:
            while not file.is_file():
                assert process.poll() is None, process.communicate()[1][-2000:]
                assert time.monotonic() < deadline
                time.sleep(_POLL_S)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    return process.returncode


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """Data and settings; nothing is trained yet."""
    made = Smoke(tmp_path_factory.mktemp("smoke"))
    write_tiny_dataset(made.data, n_train=N_TRAIN)
    made.config.write_text(CONFIG)
    made.commands.mkdir()
    if git := shutil.which("git"):  # names the source in the manifest
        (made.commands / "git").symlink_to(git)
    return made


@pytest.fixture(scope="session")
def killed(smoke: Smoke) -> Killed:
    """The run after a SIGKILL between its first checkpoint and the end of its first epoch."""
    checkpoints = smoke.run / "checkpoints"
    exit_code = kill_when_it_has(
        checkpoints / "checkpoint", smoke, "seealoud-train", *smoke.train()
    )
    found = tuple(sorted(path.name for path in checkpoints.glob("*.index")))
    return Killed(exit_code, found, (smoke.run / "history.csv").exists())


@pytest.fixture(scope="session")
def trained(smoke: Smoke, killed: Killed) -> Done:
    """The same command again, to its end."""
    return smoke.execute("seealoud-train", *smoke.train())


@pytest.fixture(scope="session")
def converted(smoke: Smoke, trained: Done) -> Done:
    """The run's bundle, written by ``seealoud-convert``."""
    assert trained.returncode == 0, trained.stderr[-2000:]
    return smoke.execute(
        "seealoud-convert",
        *(NAME, "--no-detector", "--data", smoke.data, "--runs", smoke.runs),
        *("--out", smoke.out, "--records", smoke.records),
    )


def manifest_of(smoke: Smoke) -> dict[str, object]:
    content: dict[str, object] = json.loads((smoke.bundle / "manifest.json").read_text())
    return content
