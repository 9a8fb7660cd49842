"""Kills one process of the device after the other, in the middle of its work, and compares."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from seealoud.device import requests as r
from seealoud.device.camera.source import SourceKind
from seealoud.device.daemon.sentences import no_camera
from seealoud.device.events import Part
from tools.processes import is_alive
from tools.torture.attacks import DAEMON_MB, SILENT, voices
from tools.torture.home import (
    NARRATION_OFF,
    answer_of,
    home,
    is_greeted,
    times_heard,
    wait_drained,
    wait_heard,
)
from tools.torture.ledger import Subscriber, stored_ids
from tools.torture.processes import DaemonProcess, TortureError, wait_for
from tools.torture.report import Section
from tools.torture.sound import RecordedSound, spoken_of

SENTENCES = (
    "The kettle is on the stove.",
    "Your keys lie on the table.",
    "A dog waits at the door.",
    "Dinner is ready in the kitchen.",
)
# A camera that fails in the first half minute has sentences of its own.
_LATER, _EARLY = spoken_of(Part.CAMERA), no_camera(SourceKind.STREAM)
_GONE = (_LATER.failed, _EARLY.failed)
_BACK = (_LATER.works, _EARLY.works)
_LONGEST_WORK_S = 0.5
# Reasons of an answer to a press: a description, or doubt about what is seen.
_DESCRIBED = ("", "unsure", "unfamiliar")
_END_S = 10.0
_PRESS_EVERY = 4


def kill_daemons(folder: Path, count: int, seed: int) -> Section:
    """Kill the daemon with SIGKILL at random moments of its work."""
    section, rng = Section("daemon"), random.Random(seed)
    written, waiting, problems = set[str](), set[str](), list[str]()
    volume = None
    with home(folder) as at_home:
        daemon = at_home.daemon
        for number in range(count):
            daemon.start()
            found = daemon.ask(r.Status()).data["volume"]
            if volume not in (None, found):
                problems.append(f"volume {found} after start {number}, {volume} was accepted")
            if number % 2:  # so that messages wait
                at_home.broker.pause()
            volume = round(0.2 + 0.6 * number / count, 4)
            _work(daemon, number, volume, rng)
            its_voices = voices(daemon.pid)
            daemon.kill()
            at_home.broker.resume()
            entries, messages = stored_ids(daemon.state)
            if lost := written - entries:
                problems.append(f"after kill {number} the history lacks {lost}")
            written |= entries
            waiting |= messages
            _wait_gone(its_voices, problems)
        daemon.start()
        wait_drained(daemon)
        code = daemon.end()
        entries, _ = stored_ids(daemon.state)
        received = at_home.subscriber.ids()
    section.equal("times killed (SIGKILL) and started again", count, count)
    section.equal("history: entries lost once written", len(written - entries), 0)
    section.equal("outbox: messages lost once stored", len(waiting - received.keys()), 0)
    section.expect("... entries and messages compared", f"{len(written)}, {len(waiting)}", None)
    section.expect("... messages received more than once", _repeated(received), None)
    section.none("accepted settings lost; voices left behind", problems)
    section.equal("exit code of the last one", code, 0)
    section.none("tracebacks and internal errors", daemon.tracebacks())
    return section.end()


def _work(daemon: DaemonProcess, number: int, volume: float, rng: random.Random) -> None:
    """Have the daemon describe, speak, publish and change a setting, for a random time.

    Raises:
        TortureError: the setting was not accepted.
    """
    answer_of(daemon, f"d{number}")
    daemon.ask(r.Describe(id=f"e{number}"))
    daemon.ask(r.Say(text=SENTENCES[number % len(SENTENCES)], id=f"s{number}"))
    time.sleep(rng.uniform(0, _LONGEST_WORK_S))
    if not daemon.answers(r.Set(name="volume", value=volume)):
        raise TortureError(f"volume {volume} was not accepted")


def _wait_gone(pids: list[int], problems: list[str]) -> None:
    """Note a voice that outlives its daemon."""
    try:
        _wait_ended(pids)
    except TortureError:
        problems.append(f"the voice {pids} outlives its daemon")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def _wait_ended(pids: list[int]) -> None:
    wait_for("the voice has ended", lambda: not any(map(is_alive, pids)), _END_S)


def _wait_received(subscriber: Subscriber, own_id: str) -> None:
    wait_for(
        "the broker has the answer of its absence",
        lambda: own_id in subscriber.ids("caption", "request_id"),
    )


def _repeated(ids: Counter[str]) -> int:
    return sum(times > 1 for times in ids.values())


def kill_brokers(folder: Path, count: int, seed: int) -> Section:
    """Kill the broker while descriptions are published; start it again a moment later."""
    section, rng = Section("broker"), random.Random(seed)
    with home(folder, SILENT, ["--quick-broker"]) as at_home:
        daemon, broker, subscriber = at_home.daemon, at_home.broker, at_home.subscriber
        daemon.start()
        for number in range(count):
            daemon.ask(r.Describe(id=f"b{number}"))
            time.sleep(rng.uniform(0, _LONGEST_WORK_S))
            broker.kill()
            daemon.ask(r.Describe(id=f"away{number}"))
            time.sleep(rng.uniform(0, _LONGEST_WORK_S))
            broker.start()
            _wait_received(subscriber, f"away{number}")
        wait_drained(daemon)
        answers = {note["id"] for note in daemon.notes("answer")}
        wanted = {f"{x}{n}" for x in ("b", "away") for n in range(count)}
        received = subscriber.ids("caption", "request_id")
        is_running, code = daemon.is_running, daemon.end()
    section.equal("times killed (SIGKILL) and started again", count, count)
    section.none("requests without an answer", sorted(wanted - answers))
    section.none("answers that never reached the subscriber", sorted(answers - received.keys()))
    section.expect("... answers compared", len(answers), None)
    section.expect("... received more than once", _repeated(received), None)
    section.equal("daemon still runs, its exit code", (is_running, code), (True, 0))
    section.none("tracebacks and internal errors", daemon.tracebacks())
    section.at_most("peak memory of the daemon", daemon.peak_mb, DAEMON_MB, "MB")
    return section.end()


def kill_voices(folder: Path, count: int, seed: int) -> Section:
    """Kill the voice's process while it speaks; every sentence must be heard whole all the same."""
    section, rng = Section("voice"), random.Random(seed)
    said, killed, outcomes = Counter[str](), 0, Counter[str]()
    with home(folder, NARRATION_OFF) as at_home:
        daemon, sound = at_home.daemon, at_home.sound
        daemon.start()
        # Else two kills may fall into the greeting, which is then given up.
        wait_for("the greeting", lambda: is_greeted(daemon, 1))
        for number in range(count):
            text, own_id = SENTENCES[number % len(SENTENCES)], f"s{number}"
            daemon.ask(r.Say(text=text, id=own_id))
            wait_for("a voice", lambda: voices(daemon.pid))
            time.sleep(rng.uniform(0, _LONGEST_WORK_S))
            pids = voices(daemon.pid)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            killed += len(pids)
            # Else its end may fall into the next sentence, which would then be killed twice.
            _wait_ended(pids)
            note = daemon.wait_note(event="speech", id=own_id)
            outcomes[note["outcome"]] += 1
            said[text] += 1
        heard = {text: sound.wait_heard(text, times) for text, times in said.items()}
        is_running, code = daemon.is_running, daemon.end()
    section.expect("voice killed (SIGKILL)", killed, killed >= count)
    section.equal("sentences reported as heard", outcomes["heard"], count)
    section.details["outcomes"] = outcomes
    whole = sum(min(heard[text], said[text]) for text in said)
    section.equal("sentences whose every sample was played", whole, count)
    section.equal("words never said, found in what was played", sound.times_heard(_LATER.failed), 0)
    section.equal("daemon still runs, its exit code", (is_running, code), (True, 0))
    section.none("tracebacks and internal errors", daemon.tracebacks())
    section.at_most("peak memory of the daemon", daemon.peak_mb, DAEMON_MB, "MB")
    return section.end()


def kill_cameras(folder: Path, count: int, seed: int) -> Section:
    """Kill the network camera; a press meanwhile must not be answered from an old picture."""
    section, rng = Section("camera"), random.Random(seed)
    old, blind, presses = [], [], 0
    with home(folder, NARRATION_OFF) as at_home:
        daemon, camera, sound = at_home.daemon, at_home.camera, at_home.sound
        daemon.start()
        wait_for("frames", lambda: daemon.ask(r.Status()).data["is_camera_available"])
        for number in range(count):
            if answer_of(daemon, f"c{number}")["reason"] not in _DESCRIBED:
                blind.append(number)
            time.sleep(rng.uniform(0, _LONGEST_WORK_S))
            camera.kill()
            wait_heard(daemon, number + 1, *_GONE)
            if number % _PRESS_EVERY == 0:  # each such answer waits 3 s for a frame
                presses += 1
                answer = answer_of(daemon, f"gone{number}")
                old += [answer] if answer["reason"] in _DESCRIBED else []
            camera.start()
            wait_heard(daemon, number + 1, *_BACK)
        played = [_wait_played(sound, texts, count) for texts in (_GONE, _BACK)]
        is_running, code = daemon.is_running, daemon.end()
    section.equal("times killed (SIGKILL) and started again", count, count)
    section.none("presses with a camera that were not described", blind)
    section.none("presses without a camera described from an old picture", old)
    section.expect("... presses without a camera", presses, None)
    for texts, times in zip((_GONE, _BACK), played, strict=True):
        section.equal(f"{texts[0]!r} reported as heard", times_heard(daemon, *texts), count)
        section.equal("... every sample of it played", times, count)
    section.equal("daemon still runs, its exit code", (is_running, code), (True, 0))
    section.none("tracebacks and internal errors", daemon.tracebacks())
    section.at_most("peak memory of the daemon", daemon.peak_mb, DAEMON_MB, "MB")
    return section.end()


def _wait_played(sound: RecordedSound, texts: tuple[str, ...], times: int) -> int:
    """Return how often one of these texts was played whole; the last of them a moment ago."""
    first = sound.times_heard(texts[1])
    return first + sound.wait_heard(texts[0], times - first)
