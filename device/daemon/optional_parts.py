"""Opens the parts that a setting switches on: history, MQTT, the page, metrics and updates.

Invariant: what only such a part needs is imported only where it is on, because memory is scarce on
the device. Each part is closed by ``Core.closing``, in reverse order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seealoud.device.camera.grabber import Grabber
from seealoud.device.clock import Clock
from seealoud.device.daemon.controller import DaemonController
from seealoud.device.daemon.observer import Observer
from seealoud.device.daemon.place_finder import PlaceFinder
from seealoud.device.daemon.reload import BundleReload
from seealoud.device.daemon.status import ProblemAnnouncer
from seealoud.device.events import EventBus
from seealoud.device.history.history import History
from seealoud.device.history.schema import HISTORY_FILE, OUTBOX_FILE
from seealoud.device.mqtt.identity import identity_of, voices_of
from seealoud.device.mqtt.outbox import Outbox
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.pictures.questions import PictureQueue
from seealoud.device.records import Utterance
from seealoud.device.settings.paths import Directories
from seealoud.device.settings.schema import Settings
from seealoud.device.speech.announcer import Announcer
from seealoud.device.speech.piper import PiperVoices
from seealoud.device.triggers.trigger import Target, Trigger
from seealoud.device.worker import WorkerGroup

if TYPE_CHECKING:
    from seealoud.device.daemon.updater import Updater


@dataclass(frozen=True, slots=True)
class Core:
    """What every part of the daemon may use.

    Attributes:
        settings: as read at the start.
        directories: where state and socket are.
        bus: carries the events.
        clock: the machine's.
        workers: the threads.
        closing: closes the parts at the end, the last one first.
    """

    settings: Settings
    directories: Directories
    bus: EventBus
    clock: Clock
    workers: WorkerGroup
    closing: ExitStack


@dataclass(frozen=True, slots=True)
class MeasuredParts:
    """Parts whose numbers the metrics show.

    Attributes:
        grabber: counts frames.
        observer: has a queue of questions.
        announcer: has the speech queue.
        voices: counts restarts.
        outbox: has a queue of messages; None without MQTT.
        bundle_name: returns the name of the bundle in use.
    """

    grabber: Grabber
    observer: Observer
    announcer: Announcer
    voices: PiperVoices
    outbox: Outbox | None
    bundle_name: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ShownParts:
    """Parts that the page shows.

    Attributes:
        grabber: has the newest frame.
        observer: describes pictures, and has the frame that was described last.
        problems: has what does not work.
        places: knows the taught places.
        history: what was seen and said; None where it is off.
    """

    grabber: Grabber
    observer: Observer
    problems: ProblemAnnouncer
    places: PlaceFinder
    history: History | None


def open_history(core: Core) -> History | None:
    """Return the history, which writes in a thread of its own; None where there is none."""
    settings = core.settings.history
    if not settings.is_on:
        return None
    path = core.directories.state / HISTORY_FILE
    history = History(path, settings, core.clock, publish=core.bus.publish)
    core.closing.callback(history.close)
    core.bus.subscribe(history)
    core.workers.add("history", history.step, history.wake)
    return history


def open_mqtt(
    core: Core, controller: DaemonController, grabber: Grabber, pictures: PictureQueue
) -> Outbox | None:
    """Return the outbox of the connection to the broker; None where MQTT is off.

    Raises:
        ConfigError: the password or a TLS file cannot be used.
    """
    settings = core.settings
    if not settings.mqtt.is_on:
        return None
    from seealoud.device.bundles.voices import VoiceStore
    from seealoud.device.mqtt.desired import DESIRED_FILE
    from seealoud.device.mqtt.sink import MqttSink
    from seealoud.device.mqtt.subscriptions import DaemonSide

    bus, clock, state = core.bus, core.clock, core.directories.state
    outbox = Outbox(state / OUTBOX_FILE, clock=clock, publish=bus.publish)
    core.closing.callback(outbox.close)
    side = DaemonSide(
        controller.handle,
        bus,
        controller.status,
        clock,
        picture_of=lambda: newest_jpeg(grabber),
        desired_file=state / DESIRED_FILE,
        pictures=pictures,
    )
    device, rules = settings.device, settings.narration.rules
    voices = VoiceStore(core.directories.voices).paths()
    identity = replace(
        identity_of(device.id, device.name, settings.speech, rules, installed_voices=voices),
        page_url=settings.web.outside_url,
        has_updates=settings.captioner.updates is not None,
    )
    sink = MqttSink(settings.mqtt, identity, side, outbox)
    core.closing.callback(sink.close)
    bus.subscribe(sink)
    core.workers.add("mqtt", sink.step, sink.wake)
    return outbox


def open_updates(
    core: Core,
    settings: Callable[[], Settings],
    bundle: BundleReload,
    announce: Callable[[Utterance], None],
) -> Updater | None:
    """Return what looks for newer bundles; None where no feed is set.

    Args:
        core: what every part may use.
        settings: returns them as they are now.
        bundle: uses the one that is chosen.
        announce: speaks.
    """
    if core.settings.captioner.updates is None:
        return None
    from seealoud.device.daemon.updater import Updater, UpdateSide

    side = UpdateSide(settings, bundle, announce, core.bus.publish, core.clock)
    updater = Updater(core.settings.captioner.updates, core.directories, side)
    core.closing.callback(updater.close)
    return updater


def make_page(core: Core, controller: DaemonController, parts: ShownParts) -> Trigger | None:
    """Return what serves the page, not started; None where it is off."""
    settings, state = core.settings, core.directories.state
    if not settings.web.is_on:
        return None
    from seealoud.device.bundles.voices import VoiceStore
    from seealoud.device.history.feedback import FEEDBACK_FOLDER, Feedback
    from seealoud.device.web.server import PageServer
    from seealoud.device.web.sources import PageSources

    history, voices = parts.history, VoiceStore(core.directories.voices)
    sources = PageSources(
        target=Target(controller.handle, core.clock, core.workers.fail),
        bus=core.bus,
        device_name=settings.device.name,
        state_of=controller.status,
        problems_of=parts.problems.lines,
        frame_of=parts.grabber.latest,
        places_of=parts.places.pictures,
        ask_picture=parts.observer.pictures.ask,
        feedback=Feedback(state / FEEDBACK_FOLDER, parts.observer.frame_of),
        state=state,
        voices_of=lambda: voices_of(settings.speech, voices.paths()),
        history=None if history is None else state / HISTORY_FILE,
        flush_history=(lambda _: True) if history is None else history.flush,
        summary_of=None if history is None else history.summary,
    )
    return PageServer(settings.web, sources)


def open_metrics(core: Core, parts: MeasuredParts) -> None:
    """Serve the metrics where they are on.

    Raises:
        ConfigError: their address cannot be used.
    """
    if not core.settings.metrics.is_on:
        return
    from seealoud.device.health.metrics import MetricsListener, Readings
    from seealoud.device.health.metrics_server import MetricsServer

    grabber, outbox, voices = parts.grabber, parts.outbox, parts.voices
    queues = {
        "speech": lambda: parts.announcer.waiting,
        "questions": lambda: parts.observer.waiting,
    }
    if outbox is not None:
        queues["outbox"] = lambda: len(outbox)
    listener = MetricsListener(
        Readings(
            frames=lambda: grabber.frames,
            drops=lambda: grabber.drops,
            frame_age_s=lambda: grabber.frame_age_s,
            bundle=parts.bundle_name,
            queue_lengths=queues,
            restarts={"camera": lambda: grabber.reconnects, "voice": lambda: voices.restarts},
            dropped_messages=lambda: 0 if outbox is None else outbox.dropped,
        )
    )
    core.bus.subscribe(listener)
    server = MetricsServer(listener.registry, core.settings.metrics)
    server.start()
    core.closing.callback(server.close)


def newest_jpeg(grabber: Grabber) -> bytes | None:
    """Return the newest picture as JPEG; None where there is none, and while privacy is on."""
    frame = grabber.latest()
    return None if frame is None else encode_jpeg(frame.image_hwc)
