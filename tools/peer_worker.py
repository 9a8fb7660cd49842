"""A contestant's side of ``scripts/benchmark --peers``: one line of JSON for each turn.

Standard library only: this runs in PyTorch's environment too, and its memory counts as the
contestant's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO


def take_stdout() -> TextIO:
    """Return stdout for the answers alone; what libraries print goes to stderr from now on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


# Milliseconds of a caption, by the clock and of the processor.
Times = tuple[float, float]


def serve(turn: Callable[[], Sequence[Times]], facts: Mapping[str, object], out: TextIO) -> None:
    """Answer with the facts, then each line of stdin with a turn, until stdin ends.

    Args:
        turn: captions, being warm, and returns the times of each caption.
        facts: ``runtime``, ``words``, ``parameters`` and ``model_bytes``.
        out: the result of ``take_stdout``.
    """
    _say(facts, out)
    for _ in sys.stdin:
        _say(turn(), out)


def times_ms(function: Callable[[], object]) -> Times:
    """Return how long a call took by the clock, and how long processors worked on it.

    Both, since on a busy machine the clock favours the short: 10 ms of work fit in before others
    get the processor, seconds wait again and again.
    """
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    function()
    cpu_s = time.process_time() - cpu_began_s
    return (time.perf_counter() - began_s) * 1000, cpu_s * 1000


def _say(answer: object, out: TextIO) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
