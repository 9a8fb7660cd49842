"""Measures peak memory, with each captioner in a process of its own that does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.errors import InferenceError

if TYPE_CHECKING:
    from tools.bench_captions import CaptionCase

# What the device does: load, self-test, caption. The picture is generated, as large as a camera's.
_PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.records import Frame

frame = Frame.now(np.full((480, 640, 3), 128, np.uint8), "benchmark")
with Captioner(load_bundle(Path(sys.argv[1])), CaptionOptions(threads=int(sys.argv[2]))) as it:
    for _ in range(3):
        it.caption(frame)
    print(open("/proc/self/status").read())
"""


def captioner_peak_mb(case: CaptionCase) -> float:
    """Return the peak resident memory of a process that only captions, in MB of 10^6 bytes.

    Raises:
        InferenceError: that process failed.
    """
    command = [sys.executable, "-c", _PROGRAM, str(case.bundle.path), str(case.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InferenceError(f"the process for memory failed: {done.stderr.strip()[-300:]}")
    return _peak_mb(done.stdout)


def process_peak_mb(pid: int) -> float:
    """Return the peak resident memory of a running process, in MB of 10^6 bytes."""
    return _peak_mb(Path(f"/proc/{pid}/status").read_text(encoding="ascii"))


def _peak_mb(status: str) -> float:
    # Not getrusage: its maximum begins with that of the process which started this one.
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(line.split()[1]) * 1024 / 1e6, 1)
