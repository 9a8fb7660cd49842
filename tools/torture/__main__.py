"""Attacks the real program in many ways, and prints which promises held.

    python -m tools.torture                 # about 20 minutes
    python -m tools.torture --minutes 1     # the same attacks, fewer of each
    python -m tools.torture --only voice --minutes 5

It needs Mosquitto, Piper and aplay; as root also a full disk and a read-only card are tried.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.torture.attacks import attack_commands, attack_lines, attack_pictures, attack_streams
from tools.torture.disasters import fill_disk, freeze_card, move_clock
from tools.torture.kills import kill_brokers, kill_cameras, kill_daemons, kill_voices
from tools.torture.processes import check_interrupted, interrupted
from tools.torture.report import Section, has_failed, table, write_json
from tools.torture.soak import soak

_FULL_MIN = 20.0
# What even the smallest form takes: starts, models, and one of everything.
_FIXED_MIN = 0.6


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        run: makes it in a folder, so many times, with a seed.
        count: how often in the full form.
        least: how often at least.
    """

    run: Callable[[Path, int, int], Section]
    count: int
    least: int = 1


# In the order of their start, some at a time: those that mostly wait beside those that work.
ATTACKS = {
    "daemon": Attack(kill_daemons, 200, 3),
    "soak": Attack(soak, 100_000, 2_000),
    "voice": Attack(kill_voices, 200, 3),
    "camera": Attack(kill_cameras, 200, 3),
    "broker": Attack(kill_brokers, 200, 3),
    "streams": Attack(attack_streams, 500, 10),
    "commands": Attack(attack_commands, 200_000, 2_000),
    "lines": Attack(attack_lines, 50_000, 500),
    "pictures": Attack(attack_pictures, 2_000, 100),
    "disk": Attack(fill_disk, 3),
    "card": Attack(freeze_card, 2),
    "clock": Attack(move_clock, 4, 2),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, print, and return 1 where a promise did not hold."""
    options = _parse(arguments)
    share = max(0.0, (options.minutes - _FIXED_MIN) / (_FULL_MIN - _FIXED_MIN))
    names = options.only or list(ATTACKS)
    began_s = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as folder,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        jobs = [pool.submit(_run, name, Path(folder), share, options.seed) for name in names]
        for _ in as_completed(jobs):
            done = [x.result() for x in jobs if x.done()]
            _write(options, done, time.monotonic() - began_s)
        sections = [job.result() for job in jobs]
    took_s = time.monotonic() - began_s
    print(table(sections))
    print(f"{took_s / 60:.1f} minutes, seed {options.seed}, {options.jobs} attacks at a time")
    return int(has_failed(sections))


def _interrupt(_number: int, _frame: object) -> None:
    """End every attack where it waits next; each ends its processes and unmounts its disk."""
    interrupted.set()


def _write(options: argparse.Namespace, sections: Sequence[Section], took_s: float) -> None:
    """Write what was found until now, where a file was asked for."""
    if options.json is not None:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        run = {"minutes": options.minutes, "took_s": round(took_s), "seed": options.seed}
        write_json(options.json, sections, {**run, **machine, "cores": os.cpu_count()})


def _run(name: str, folder: Path, share: float, seed: int) -> Section:
    attack = ATTACKS[name]
    count = max(attack.least, math.ceil(attack.count * min(1.0, share)))
    own = folder / name
    own.mkdir()
    print(f"{name}: {count} ...", file=sys.stderr, flush=True)
    try:
        check_interrupted()
        section = attack.run(own, count, seed)
    except Exception as exc:  # noqa: BLE001 - one attack that cannot go on does not end the others
        traceback.print_exc()
        section = Section(name)
        section.expect("the attack could be carried out", f"{type(exc).__name__}: {exc}", False)
        section.end()
    print(f"{name}: {section.took_s:.0f} s", file=sys.stderr, flush=True)
    return section


def _parse(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="tools.torture", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=_FULL_MIN, help="about how long [20]")
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="of everything random [1]")
    parser.add_argument("--jobs", type=int, default=5, help="attacks at a time [5]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
