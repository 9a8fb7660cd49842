"""A home that is attacked: a daemon with a camera, a broker, a subscriber, and recorded sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seealoud.device import requests as r
from seealoud.device.daemon.sentences import READY
from tools.broker import HOST, Mosquitto
from tools.torture.attacks import QUIET_LOG
from tools.torture.daemon import DEVICE_ID
from tools.torture.hostile_pictures import noisy_jpegs, sample_images
from tools.torture.ledger import Subscriber, stored_ids
from tools.torture.processes import (
    DEADLINE_S,
    CameraProcess,
    DaemonProcess,
    TortureError,
    wait_for,
)
from tools.torture.sound import RecordedSound

NARRATION_OFF = "[narration]\nis_on = false\n"
_DRAIN_S = 120.0


def kept_broker(folder: Path) -> Mosquitto:
    """Return a broker that keeps on disk, at once, what it has to deliver.

    Raises:
        BrokerError: it is not installed, or does not start.
    """
    return Mosquitto(folder, ["autosave_on_changes true", "autosave_interval 1"], DEADLINE_S)


@dataclass(frozen=True, slots=True)
class Home:
    """A daemon with a live camera, a broker, a subscriber, and recorded sound.

    Attributes:
        daemon: it is not started yet.
        camera: shows one photograph, with a little noise.
        sound: what is played.
        broker: a Mosquitto.
        subscriber: receives what is published.
    """

    daemon: DaemonProcess
    camera: CameraProcess
    sound: RecordedSound
    broker: Mosquitto
    subscriber: Subscriber


@contextmanager
def home(folder: Path, settings: str = "", options: Sequence[str] = ()) -> Iterator[Home]:
    """Yield a home; its processes end with the block.

    Args:
        folder: for the files of all.
        settings: of the daemon, besides those of the camera and the broker.
        options: of the daemon's program, ``tools.torture.daemon``.
    """
    with ExitStack() as stack:
        camera = CameraProcess(folder / "pictures", noisy_jpegs(sample_images()[0], 8))
        stack.callback(camera.kill)
        broker = kept_broker(folder)
        stack.callback(broker.kill)
        subscriber = Subscriber(broker.port)
        stack.callback(subscriber.close)
        text = f"""
[device]
id = "{DEVICE_ID}"
[camera]
source = "{camera.address}"
[mqtt]
is_on = true
host = "{HOST}"
port = {broker.port}
{settings}{QUIET_LOG}"""
        sound = RecordedSound(folder)
        daemon = DaemonProcess(folder, text, options, environ=sound.environ)
        stack.callback(daemon.close)
        yield Home(daemon, camera, sound, broker, subscriber)


def wait_drained(daemon: DaemonProcess) -> None:
    """Return when the outbox is empty."""
    wait_for("the outbox is empty", lambda: not stored_ids(daemon.state)[1], _DRAIN_S)


def answer_of(daemon: DaemonProcess, own_id: str) -> dict[str, Any]:
    """Ask for a description; return the note of its answer."""
    daemon.ask(r.Describe(id=own_id))
    return daemon.wait_note(event="answer", id=own_id)


def wait_heard(daemon: DaemonProcess, times: int, *texts: str) -> None:
    """Return when the daemon has reported so often that one of the texts was heard.

    Raises:
        TortureError: it has not, in time.
    """

    def is_heard() -> bool:
        if not daemon.is_running:
            raise TortureError(f"the daemon ended: {daemon.log_text()[-500:]}")
        return times_heard(daemon, *texts) >= times

    wait_for(f"{texts[0]!r} is spoken", is_heard)


def times_heard(daemon: DaemonProcess, *texts: str) -> int:
    """Return how often the daemon has reported that one of the texts was heard to its end."""
    notes = daemon.notes("speech")
    return sum(x["text"] in texts and x["outcome"] == "heard" for x in notes)


def is_greeted(daemon: DaemonProcess, times: int) -> bool:
    """Return whether the daemon has greeted so often; a greeting contains the problems of then."""
    texts = [str(x["text"]) for x in daemon.notes("speech")]
    return sum(text.startswith(READY) for text in texts) >= times
