"""PyTorch and transformers for ``scripts/benchmark --peers``, in an environment of their own.

No other part of the project needs them, so they never come into its own environment.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from seealoud.device.errors import SeeAloudError

# Exact, since a ratio to another version is another ratio.
REQUIREMENTS = ("torch==2.13.0", "transformers==5.24.0")
# PyPI's torch for x86 brings 3 GB of CUDA, this one's does not.
_CPU_INDEX_URL = "https://download.pytorch.org/whl/cpu"
_INDEX_TIMEOUT_S = 5.0
_STAMP = ".seealoud-peers"
_SHOWN_CHARACTERS = 600


def peers_python(folder: Path) -> Path:
    """Return the environment's Python, having made the environment where it is not up to date.

    Raises:
        SeeAloudError: it cannot be made.
    """
    python, stamp = folder / "bin" / "python", folder / _STAMP
    # The Python too: after a new Debian the environment's own is gone.
    wanted = "\n".join((*REQUIREMENTS, sys.version, str(folder)))
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(
        f"benchmark: installing {' and '.join(REQUIREMENTS)} into {folder} "
        "(1.2 GB; the first time this takes minutes)",
        file=sys.stderr,
    )
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder)
    _run([str(python), *_pip_install(), *REQUIREMENTS], folder)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _pip_install() -> list[str]:
    """Return pip's arguments, with PyTorch's CPU index where that answers.

    Asked here, since pip asks an index that is away again and again.
    """
    arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if _answers(_CPU_INDEX_URL):
        return [*arguments, "--extra-index-url", _CPU_INDEX_URL]
    print(
        f"benchmark: no answer from {_CPU_INDEX_URL}: where pip knows no other torch for CPUs, "
        "it takes one with 3 GB of CUDA",
        file=sys.stderr,
    )
    return arguments


def _answers(index_url: str) -> bool:
    request = urllib.request.Request(f"{index_url}/torch/", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_INDEX_TIMEOUT_S):
            return True
    except (OSError, urllib.error.URLError):
        return False


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as exc:
        raise _failure(folder, str(exc)) from exc
    if done.returncode != 0:
        raise _failure(folder, (done.stderr or done.stdout).strip()[-_SHOWN_CHARACTERS:])


def _failure(folder: Path, reason: str) -> SeeAloudError:
    return SeeAloudError(
        f"cannot install {' and '.join(REQUIREMENTS)} into {folder}: {reason}\n"
        "Only --peers needs them. Check the network and the disk's space, then run "
        "scripts/benchmark --peers again; without --peers everything else is measured."
    )
