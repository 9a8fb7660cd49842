"""Hostile input at every door: commands, socket lines, pictures and network cameras."""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seealoud.device import requests as r
from seealoud.device.requests import Outcome
from tools.processes import children, tree_mb
from tools.torture.hostile_pictures import HostilePictures, noisy_jpegs, sample_images
from tools.torture.hostile_requests import hostile_line
from tools.torture.hostile_streams import HostileCamera
from tools.torture.processes import (
    DEADLINE_S,
    DaemonProcess,
    check_interrupted,
    interrupted,
    wait_for,
)
from tools.torture.report import Section

DAEMON_MB = 300.0
_DESCRIBE_MB = 500.0
_ATTACKERS = 4
_VALID_EVERY = 100
_BATCH = 250
_GOOD_IN_BATCH = 10
_BATCH_S = 120.0
_STREAMS_AT_A_TIME = 25
_STREAMS_S = 600.0
_LOOK_S = 0.02
_PER_COMMAND_S = 0.05
SILENT = '[speech]\noutput = "none"\n'
QUIET_LOG = '[log]\nlevel = "warning"\n'


def replay_settings(folder: Path) -> str:
    """Return settings with a replayed photograph in place of a camera."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, jpeg in enumerate(noisy_jpegs(sample_images()[0], 4)):
        (pictures / f"{number}.jpg").write_bytes(jpeg)
    replay = "[camera.replay]\nis_looped = true\nrate_hz = 2\n"
    return f'[camera]\nsource = "{pictures}"\n{replay}'


def _end(daemon: DaemonProcess, section: Section, attack: str) -> None:
    """Record what must hold after each attack on a daemon."""
    is_running = daemon.is_running
    code = daemon.end()
    section.expect(f"daemon still runs after {attack}", "yes" if is_running else "no", is_running)
    section.equal("exit code after SIGTERM", code, 0)
    section.none("tracebacks and internal errors", daemon.tracebacks())
    section.at_most("peak memory of the daemon", daemon.peak_mb, DAEMON_MB, "MB")


def attack_commands(folder: Path, count: int, seed: int) -> Section:
    """Have a daemon carry out hostile MQTT commands, one after the other."""
    section = Section("commands")
    settings = replay_settings(folder) + SILENT + '[log]\nlevel = "error"\n'
    options = ["--commands", str(count), "--seed", str(seed)]
    daemon = DaemonProcess(folder, settings, options)
    result = folder / "commands.json"
    try:
        daemon.start()
        wait_for(
            "all commands are carried out",
            lambda: result.exists() or not daemon.is_running,
            DEADLINE_S + count * _PER_COMMAND_S,
        )
        found = json.loads(result.read_text()) if result.exists() else {"counts": {}}
        counts = Counter(found["counts"])
        section.details.update(found)
        section.equal("hostile commands executed", counts["accepted"] + counts["refused"], count)
        section.expect("... of these accepted and carried out", counts["accepted"], None)
        valid = -(-count // _VALID_EVERY)
        section.equal("valid commands between them answered", counts["valid answered"], valid)
        section.none("commands with an internal error", found.get("internal_errors", []))
        section.none("threads that hang", found.get("stuck", []))
        answers = daemon.answers(r.Status())
        section.expect("status through the socket afterwards", answers, answers)
        _end(daemon, section, "the commands")
    finally:
        daemon.close()
    return section.end()


def attack_lines(folder: Path, count: int, seed: int) -> Section:
    """Send hostile lines to the control socket, from several clients at a time."""
    section = Section("lines")
    # Commands of the lines may switch everything off; without a voice the work stays small.
    settings = replay_settings(folder) + SILENT + '[log]\nlevel = "error"\n'
    daemon = DaemonProcess(folder, settings)
    try:
        daemon.start()
        share = -(-count // _ATTACKERS)
        with ThreadPoolExecutor(_ATTACKERS) as pool:
            jobs = [pool.submit(_client, daemon, share, seed + n) for n in range(_ATTACKERS)]
            counts = sum((job.result() for job in jobs), Counter[str]())
        section.details["counts"] = counts
        section.expect("hostile lines sent", counts["sent"], counts["sent"] >= count)
        section.expect("... of these answered", counts["answered"], None)
        section.equal("answers that are no outcome", counts["no outcome"], 0)
        section.equal("valid commands not answered", counts["valid not answered"], 0)
        section.expect("valid commands between them answered", counts["valid answered"], None)
        _end(daemon, section, "the lines")
    finally:
        daemon.close()
    return section.end()


def _client(daemon: DaemonProcess, count: int, seed: int) -> Counter[str]:
    """Send lines; return what became of them."""
    rng, counts = random.Random(seed), Counter[str]()
    for number in range(count):
        if number % _VALID_EVERY == 0:
            is_answered = daemon.answers(r.Status(id=str(number)))
            counts["valid answered" if is_answered else "valid not answered"] += 1
            daemon.read_peak()
        if not daemon.is_running:
            break
        counts[_send(daemon.socket, hostile_line(rng), rng.random())] += 1
        counts["sent"] += 1
    return counts


def _send(path: Path, line: bytes, chance: float) -> str:
    """Send a line, and perhaps behave badly; return what came back, in words."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        try:
            client.connect(str(path))
            client.sendall(line)
            if chance < 0.05:
                return "left at once"
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        except (BrokenPipeError, ConnectionResetError):
            return "cut off"  # a line that is too long is answered before all of it has come
        except OSError as exc:
            return f"failed: {type(exc).__name__}"
    if not answer:
        return "not answered"
    try:
        Outcome.model_validate_json(answer)
    except ValueError:
        return "no outcome"
    return "answered"


def attack_pictures(folder: Path, count: int, seed: int) -> Section:
    """Have ``seealoud describe`` look at hostile files, many in one process."""
    section = Section("pictures")
    maker = HostilePictures(seed)
    counts, worst_mb, odd = Counter[str](), 0.0, []
    while counts["files"] < count:
        check_interrupted()
        own = folder / "batch"
        own.mkdir()
        hostile = min(_BATCH, count - counts["files"])
        wanted = maker.write(own, hostile, _GOOD_IN_BATCH)
        code, output, errors, used_mb = _describe(own)
        worst_mb = max(worst_mb, used_mb)
        described = {Path(json.loads(x)["source"]).name for x in output.splitlines()}
        counts["files"] += hostile
        counts["described"] += sum(name.startswith("odd-") for name in described)
        counts["good described"] += sum(name.startswith("good-") for name in described)
        counts["good"] += _GOOD_IN_BATCH
        counts["refused"] += sum(x.startswith("seealoud: ") for x in errors)
        counts["no answer"] += max(0, wanted - len(described) - len(errors))
        if code not in (0, 4) or any(not x.startswith("seealoud: ") for x in errors):
            odd.append(f"exit code {code}: {' '.join(errors)[-400:]}")
        shutil.rmtree(own)
    section.details["counts"] = counts
    section.equal("hostile pictures given to describe", counts["files"], count)
    section.expect("... of these described", counts["described"], None)
    section.expect("... refused, each in one line", counts["refused"], None)
    section.equal("files without any answer", counts["no answer"], 0)
    section.equal("good pictures between them described", counts["good described"], counts["good"])
    section.none("exit codes but 0 and 4, tracebacks, other output", odd)
    section.at_most("peak memory of describe and its workers", worst_mb, _DESCRIBE_MB, "MB")
    return section.end()


def _describe(folder: Path) -> tuple[int, str, list[str], float]:
    """Return exit code, output, lines of errors and peak memory in MB of one ``describe``."""
    output, errors = folder.with_name("output"), folder.with_name("errors")
    command = [sys.executable, "-m", "seealoud", "describe", "--json", str(folder)]
    used_mb, end_s = 0.0, time.monotonic() + _BATCH_S
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while process.poll() is None:
            if interrupted.is_set() or time.monotonic() > end_s:
                process.kill()
            used_mb = max(used_mb, tree_mb(process.pid))
            time.sleep(_LOOK_S)
    lines = errors.read_text(errors="replace").splitlines()
    return process.returncode, output.read_text(), lines, used_mb


def attack_streams(folder: Path, count: int, seed: int) -> Section:
    """Let a daemon look through a network camera that lies in every way."""
    section = Section("streams")
    jpegs = noisy_jpegs(sample_images()[0], 8)
    camera = HostileCamera(jpegs, seed)
    settings = f'[camera]\nsource = "{camera.address}"\n{SILENT}{QUIET_LOG}'
    daemon = DaemonProcess(folder, settings, ["--quick-camera"])
    rounds = good = answered = 0
    try:
        daemon.start()
        while camera.served.total() < count and daemon.is_running:
            wanted = min(count, camera.served.total() + _STREAMS_AT_A_TIME)
            _wait_served(camera, wanted)
            rounds += 1
            answered += daemon.answers(r.Status())
            good += _is_described(camera, daemon, f"good{rounds}")
        section.details["streams"] = camera.served
        total = camera.served.total()
        section.expect("hostile streams served", total, total >= count)
        section.equal("status answered between them", answered, rounds)
        section.equal("good streams between them described", good, rounds)
        _end(daemon, section, "the streams")
    finally:
        daemon.close()
        camera.close()
    return section.end()


def _wait_served(camera: HostileCamera, count: int) -> None:
    wait_for("the next hostile streams", lambda: camera.served.total() >= count, _STREAMS_S)


def _is_described(camera: HostileCamera, daemon: DaemonProcess, own_id: str) -> bool:
    """Serve a good stream; return whether a description of it is given."""
    camera.is_good.set()
    wait_for(
        "frames of a good camera",
        lambda: bool(daemon.ask(r.Status()).data["is_camera_available"]),
    )
    if not daemon.answers(r.Describe(id=own_id)):
        return False
    answer = daemon.wait_note(event="answer", id=own_id)
    daemon.read_peak()
    camera.is_good.clear()
    return answer["reason"] not in ("no_frame", "broken")


def voices(pid: int) -> list[int]:
    """Return the voice's processes of a daemon."""
    return children(pid, "piper_worker")
