"""Measures the running daemon: press to sound, cost of a static scene, memory over time.

    .venv/bin/python -m tools.bench_daemon press     # 50 presses while it narrates
    .venv/bin/python -m tools.bench_daemon start     # to READY=1, and from SIGTERM to the end
    .venv/bin/python -m tools.bench_daemon static    # ten minutes of a static scene
    .venv/bin/python -m tools.bench_daemon soak      # 20,000 frames of changing scenes
    .venv/bin/python -m tools.bench_daemon memory    # as root: with less and less memory
    .venv/bin/python -m tools.bench_daemon page      # what the page adds, and a flood of requests

Everything is real but the hardware: `seealoud run` in a process of its own, the shipped bundle,
Piper, `aplay` into an ALSA device that is a pipe read at a loudspeaker's pace, a camera by HTTP.
The sound of a press is found by its shape, also where it cuts a sentence.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seealoud.device.errors import SeeAloudError
from tools.bench_report import machine_facts
from tools.daemon_bench.memory import measure_memory
from tools.daemon_bench.page import measure_page
from tools.daemon_bench.press import PRESSES, measure_press
from tools.daemon_bench.replay import measure_soak, measure_static
from tools.daemon_bench.start import measure_start

_MEASURES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "start": measure_start,
    "static": measure_static,
    "soak": measure_soak,
    "memory": measure_memory,
    "page": measure_page,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one JSON object, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measures the running daemon.")
    parser.add_argument("what", choices=("press", "start", "static", "soak", "memory", "page"))
    parser.add_argument("--presses", type=int, default=PRESSES, metavar="N")
    options = parser.parse_args(arguments)
    machine = machine_facts()
    with tempfile.TemporaryDirectory(prefix="seealoud-") as name:
        folder = Path(name)
        try:
            if options.what == "press":
                figures = measure_press(folder, options.presses)
            else:
                figures = _MEASURES[options.what](folder)
        except SeeAloudError as exc:
            print(f"bench_daemon: {exc}", file=sys.stderr)
            return exc.exit_code
    print(json.dumps({"measured": options.what, **figures, "machine": machine}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
