"""Which source a model or a record was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path


def source_commit() -> str:
    """Return the checkout's commit, marked when files differ from it; "unknown" without git."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}-modified" if _git("status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    folder = Path(__file__).parent
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
