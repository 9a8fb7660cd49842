"""Runs the demo's command and shows its output and the broker's messages as they arrive.

Every wait has a deadline, and both ends are closed with the block that opened them.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from seealoud.device.errors import BrokerError
from seealoud.device.mqtt.topics import AVAILABILITY, CAPTION, OFFLINE, ROOT
from tools.broker import HOST, LoopbackBroker
from tools.demo_view import show_caption, show_message
from tools.processes import end_process

# Longest silence of the command: loading model and voice on a Pi 4 takes some 10 s.
_COMMAND_TIMEOUT_S = 60.0
_BROKER_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Said:
    """The command printed a caption."""

    caption: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """The broker delivered a message."""

    topic: str
    payload: bytes

    @property
    def is_farewell(self) -> bool:
        """Whether it is the device's last message."""
        return _is_of(self.topic, AVAILABILITY.template) and self.payload == OFFLINE.encode()


@dataclass(frozen=True, slots=True)
class Ended:
    """The command closed its output."""


Events = queue.SimpleQueue[Said | Heard | Ended]


@dataclass(slots=True)
class Outcome:
    """The results for the pictures, shown as they arrive.

    Attributes:
        captions: what the command printed, in order.
        messages: how many captions came back from the broker.
    """

    captions: list[dict[str, Any]] = field(default_factory=list)
    messages: int = 0
    _early: list[Heard] = field(default_factory=list)

    def say(self, said: Said) -> None:
        """Show a caption, and its message if that has overtaken it."""
        self.captions.append(said.caption)
        show_caption(said.caption)
        early, self._early = self._early, []
        for heard in early:
            self.hear(heard)

    def hear(self, heard: Heard) -> None:
        """Show a message, the first caption in full; never before the caption it belongs to."""
        is_caption = _is_of(heard.topic, CAPTION.template)
        if is_caption and self.messages == len(self.captions):
            self._early.append(heard)
            return
        self.messages += is_caption
        show_message(heard.topic, heard.payload, is_whole=self.messages == 1)


def run_command(command: Sequence[str], broker: LoopbackBroker) -> tuple[Outcome, int]:
    """Run the command to its end and show all that it publishes; return that and its exit code.

    Raises:
        BrokerError: the broker accepts no connection, or nothing came for too long.
    """
    events: Events = queue.SimpleQueue()
    with _listening(broker, events), _running(command, events) as process:
        outcome = _follow(events)
        exit_code = process.wait(_STOP_TIMEOUT_S)
    return outcome, exit_code


@contextlib.contextmanager
def _listening(broker: LoopbackBroker, events: Events) -> Iterator[None]:
    """Subscribe to all that a device publishes; ready when the block begins.

    Raises:
        BrokerError: the broker accepts no connection.
    """
    is_subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.on_message = lambda _c, _u, heard: events.put(Heard(heard.topic, bytes(heard.payload)))
    try:
        client.connect(HOST, broker.port)
        client.loop_start()
        client.subscribe(f"{ROOT}/#", qos=1)
        if not is_subscribed.wait(_BROKER_TIMEOUT_S):
            raise BrokerError(
                f"{broker.name} accepted no subscription within {_BROKER_TIMEOUT_S:g} s"
            )
        yield
    except OSError as exc:
        raise BrokerError(
            f"{broker.name} on {broker.address} accepts no connection: {exc}"
        ) from exc
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def _running(command: Sequence[str], events: Events) -> Iterator[subprocess.Popen[str]]:
    """Run the command; its captions become events. It is ended with the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    reader = threading.Thread(target=_read, args=(process, events), name="captions")
    reader.start()
    try:
        yield process
    finally:
        end_process(process, _STOP_TIMEOUT_S)
        reader.join()


def _read(process: subprocess.Popen[str], events: Events) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            events.put(Said(json.loads(line)))
    events.put(Ended())


def _follow(events: Events) -> Outcome:
    """Show events as they come, until the command has ended and its farewell has arrived.

    Raises:
        BrokerError: nothing came for too long.
    """
    outcome = Outcome()
    has_ended = has_left = False
    while not (has_ended and (has_left or not outcome.captions)):
        try:
            event = events.get(timeout=_BROKER_TIMEOUT_S if has_ended else _COMMAND_TIMEOUT_S)
        except queue.Empty:
            what = "message" if has_ended else "caption"
            raise BrokerError(f"no further {what} came; try: seealoud describe -vv") from None
        if isinstance(event, Said):
            outcome.say(event)
        elif isinstance(event, Heard):
            has_left = event.is_farewell
            outcome.hear(event)
        else:
            has_ended = True
    return outcome


def _is_of(topic: str, template: str) -> bool:
    return topic.rpartition("/")[2] == template.rpartition("/")[2]
