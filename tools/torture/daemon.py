"""The real daemon in a process of its own, with notes of what happened in it.

What differs from ``seealoud run``: events are also written to a file; the voice makes the same
sound for the same words; the machine's UTC time can be moved; a lost camera or broker may be tried
again sooner; and the daemon can be given hostile commands from inside, past the limit of 120 a
minute that MQTT has.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from seealoud.device import app
from seealoud.device.camera.grabber import Grabber, GrabberTimes
from seealoud.device.clock import Clock
from seealoud.device.errors import SeeAloudError
from seealoud.device.events import Answered, Event, ProblemChanged, Requested, Spoke
from seealoud.device.files import write_atomically
from seealoud.device.health.log import set_up_daemon_logging
from seealoud.device.mqtt import sink
from seealoud.device.mqtt.commands import CommandHandler
from seealoud.device.mqtt.identity import identity_of
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.settings import MqttLimits
from seealoud.device.settings.load import load_settings
from seealoud.device.settings.paths import directories
from seealoud.device.speech.piper import PiperOptions, PiperVoiceProcess, PiperVoices
from seealoud.device.speech.voice import find_voice
from tools.torture.hostile_requests import hostile_command

DEVICE_ID = "torture"
_VALID_EVERY = 100
_QUICK = GrabberTimes(first_retry_s=0.02, longest_retry_s=0.05)


class SteadyVoices(PiperVoices):
    """Piper without its random variation, so that recorded sound can be compared with words."""

    def open(self, path: str | None) -> PiperVoiceProcess:
        """Return a voice that is not loaded yet."""
        options = PiperOptions(is_deterministic=True)
        return PiperVoiceProcess(find_voice(path), options, on_restart=self._count)


class MovedClock:
    """The daemon's clock with a UTC time that is ahead by the days in a file."""

    def __init__(self, clock: Clock, file: Path) -> None:
        self._clock = clock
        self._file = file

    def now_s(self) -> float:
        """Return monotonic seconds, which never jump."""
        return self._clock.now_s()

    def utc(self) -> datetime:
        """Return the aware UTC time."""
        try:
            days = float(self._file.read_text())
        except (OSError, ValueError):
            days = 0.0
        return self._clock.utc() + timedelta(days=days)


class Notes:
    """A listener that writes events to a file, each whole and at once."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def accept(self, event: Event) -> None:
        """Note an event."""
        match event:
            case Requested(action=action, id=own_id, is_accepted=is_accepted) if own_id:
                self._write(event="request", action=action, id=own_id, is_accepted=is_accepted)
            case Answered(text=text, id=own_id, reason=reason):
                self._write(event="answer", text=text, id=own_id, reason=reason)
            case Spoke(utterance=utterance, outcome=outcome):
                self._write(
                    event="speech", text=utterance.text, id=utterance.id, outcome=outcome.value
                )
            case ProblemChanged(part=part, is_problem=is_problem, text=text):
                self._write(event="problem", part=part.value, is_problem=is_problem, text=text)

    def _write(self, **values: Any) -> None:
        os.write(self._fd, json.dumps({**values, "at_s": time.monotonic()}).encode() + b"\n")


class NotedDaemon(app.Daemon):
    """The daemon with notes, and perhaps with commands from inside."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        settings = load_settings(options.config)
        set_up_daemon_logging(settings.log)
        super().__init__(settings, options.config, directories())
        self._bus.subscribe(Notes(folder / "notes.jsonl"))
        if not settings.camera.is_replay:  # a recording has a time of its own
            self._clock = MovedClock(self._clock, folder / "days")
        self._voices = SteadyVoices()
        self._options = options
        self._folder = folder

    def _wait(self) -> None:
        if self._options.commands:
            found = self._send_commands(self._options.commands, self._options.seed)
            write_atomically(self._folder / "commands.json", json.dumps(found).encode())
        super()._wait()

    def _send_commands(self, count: int, seed: int) -> dict[str, Any]:
        """Carry out hostile commands as the worker of MQTT does; return what became of them."""
        identity = identity_of(DEVICE_ID, "Torture", self._settings.speech)
        commands = CommandHandler(identity, self._controller.handle, self._clock, 1e12)
        rng, counts, odd = random.Random(seed), Counter[str](), []
        for number in range(count):
            if number % _VALID_EVERY == 0:
                self._controller.tick()
                own_id = f"s{number}"
                line = json.dumps({"action": "status", "id": own_id}).encode()
                result = self._send(commands, "command", line, False)
                is_answered = result is not None and result.is_accepted and result.id == own_id
                counts["valid answered" if is_answered else "valid not answered"] += 1
            topic, payload, is_retained = hostile_command(rng)
            result = self._send(commands, topic, payload, is_retained)
            if result is None:
                counts["not answered"] += 1
                continue
            json.loads(result.model_dump_json())
            counts["accepted" if result.is_accepted else "refused"] += 1
            if result.reason.startswith("internal error"):
                odd.append(f"{topic} {payload[:200]!r}: {result.reason}")
        stuck = [worker.name for worker in self._watched() if worker.is_stuck]
        return {"counts": counts, "internal_errors": odd[:20], "stuck": stuck}

    @staticmethod
    def _send(commands: CommandHandler, topic: str, payload: bytes, is_retained: bool) -> Any:
        name = f"seealoud/{DEVICE_ID}/{topic}"
        return commands.handle(ReceivedMessage(name, payload, len(payload), is_retained))


def _quick_limits() -> MqttLimits:
    return MqttLimits(retry_max_s=1.0, spread_s=0.2)


def main() -> int:
    """Run a daemon until SIGTERM; return its exit code."""
    parser = argparse.ArgumentParser(prog="tools.torture.daemon")
    parser.add_argument("config", type=Path)
    parser.add_argument("--quick-camera", action="store_true", help="try a lost camera at once")
    parser.add_argument("--quick-broker", action="store_true", help="try a lost broker at once")
    parser.add_argument("--commands", type=int, default=0, help="hostile commands from inside")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.quick_camera:
        setattr(app, "Grabber", functools.partial(Grabber, times=_QUICK))  # noqa: B010
    if options.quick_broker:  # else the wait grows to a minute while no connection lasts
        setattr(sink, "MqttLimits", _quick_limits)  # noqa: B010
    try:
        return NotedDaemon(options, options.config.parent).run()
    except SeeAloudError as exc:
        print(f"daemon: {exc}", file=sys.stderr)
        return exc.exit_code


if __name__ == "__main__":
    sys.exit(main())
