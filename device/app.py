"""The daemon: the only place that wires the parts.

Order: whoever listens starts first, the camera last. Stopping goes the other way round: every
event first, then the joins, all under one deadline. The main thread only waits, feeds the watchdog
and ends what has run out; nothing that can block is done in it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from device.camera.camera import Camera
from device.camera.grabber import Grabber
from device.camera.jpeg import jpeg
from device.camera.open import open_camera, open_clock
from device.daemon.controller import Answers, DaemonController
from device.daemon.live_settings import LiveSettings
from device.daemon.live_settings import Parts as LiveParts
from device.daemon.observer import Observer
from device.daemon.reload import BundleSwap, open_sight
from device.daemon.troubles import Troubles
from device.daemon.vitals import Vitals
from device.errors import ConfigError, TriggerError, VoiceError, WorkerError
from device.events import EventBus, Part, ProblemChanged
from device.health.event_log import EventLog
from device.health.notify import Notifier, Watchdog, watchdog_period_s
from device.history.history import History
from device.history.outbox import Outbox
from device.history.schema import HISTORY_FILE, OUTBOX_FILE
from device.mqtt.device_id import default_device_id
from device.mqtt.identity import BUILT_IN_VOICE, Identity, range_of
from device.narrator.narrator import Narrator
from device.narrator.settings import NarrationSettings
from device.records import Earcon
from device.settings.effective import differing_keys
from device.settings.load import load_settings
from device.settings.lock import StateLock
from device.settings.paths import Directories
from device.settings.schema import Settings
from device.settings.secrecy import masked_text
from device.settings.state import RunState, StateFile
from device.speech.announcer import Announcer, open_piper, open_playback
from device.speech.settings import SpeechSettings
from device.speech.voice import find_voice
from device.triggers.button import ButtonTrigger
from device.triggers.control_socket import ControlSocket
from device.triggers.keys import KeyTrigger
from device.triggers.signals import SignalTrigger
from device.triggers.trigger import Feedback, Target, Trigger
from device.worker import Worker, stop_all

_LOGGER = logging.getLogger(__name__)
STOP_TIMEOUT_S = 6.0
_TICK_S = 0.5
_LONGEST_PERIOD_S = 10.0


class Daemon:
    """Everything between the camera and the loudspeaker.

    Args:
        settings: as they were read.
        config: the file they came from, read again on SIGHUP; None looks for it.
        directories: where state and socket are.
    """

    def __init__(self, settings: Settings, config: Path | None, directories: Directories) -> None:
        self._settings, self._config, self._directories = settings, config, directories
        self._over = threading.Event()
        self._failure = ""
        self._notifier = Notifier.from_environment()
        self._bus = EventBus()
        self._clock = open_clock(settings.camera)
        self._workers: list[Worker] = []
        self._outbox: Outbox | None = None
        self._triggers: list[Trigger] = []

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or the end of a replay; return the exit code.

        Raises:
            DaemonError: another daemon has this state, or a part failed for good.
            BundleError: there is no usable bundle.
            ConfigError: a setting cannot be used.
        """
        with ExitStack() as stack:
            stack.enter_context(self._ending_signals())
            stack.enter_context(StateLock(self._directories.state))
            self._build(stack)
            self._start(stack)
            self._wait()
            self._notifier.stopping()
        if self._failure:
            raise WorkerError(f"the daemon ended: {self._failure}")
        return 0

    # ------------------------------------------------------------ building

    def _build(self, stack: ExitStack) -> None:
        """Make every part, listeners first; nothing moves yet but the voice, which loads."""
        settings, bus, clock = self._settings, self._bus, self._clock
        bus.subscribe(EventLog())
        state_file = StateFile(self._directories.state_file, self._tell_state_problem)
        self._announcer = self._open_speech(state_file.read(), stack)
        self._troubles = Troubles(self._announcer.announce, clock.now_s)
        bus.subscribe(self._troubles)
        sight, bundle = open_sight(settings)
        self._grabber = Grabber(
            self._open_camera, clock, bus, settings.camera, on_end=self._over.set
        )
        stack.callback(self._grabber.close)
        narrator = Narrator(settings.narration)
        self._observer = Observer(self._grabber, sight, narrator, self._announcer, bus, clock)
        stack.callback(self._observer.close)
        self._swap = BundleSwap(self._observer, bundle, bus, clock)
        vitals = Vitals(self._grabber, self._troubles, lambda: self._swap.bundle)
        bus.subscribe(vitals)
        live = LiveSettings(
            LiveParts(self._observer, self._grabber, self._announcer, state_file),
            *(settings, bus, clock),
        )
        answers = Answers(vitals.spoken, vitals.values, self._open_history(stack))
        self._controller = DaemonController(
            self._observer, self._announcer, live, answers, bus, clock
        )
        self._open_mqtt(stack)
        self._open_metrics(stack)
        self._add("speech", self._announcer.step, self._announcer.wake)
        self._announcer.report_progress_to(self._workers[-1].progress)
        self._add("observer", self._observer.step)
        self._add("camera", self._grabber.step, self._grabber.wake)
        self._triggers = self._make_triggers()

    def _open_speech(self, state: RunState, stack: ExitStack) -> Announcer:
        settings = _with_kept_voice(self._settings.speech, state)
        open_voice = partial(open_piper, phrase_timeout_s=settings.phrase_timeout_s)
        playback = open_playback(settings)
        announcer = Announcer(settings, playback, self._bus, self._clock, open_voice)
        stack.callback(announcer.close)
        announcer.warm()
        return announcer

    @property
    def _camera_name(self) -> str:
        """The camera without a password that its address may hold."""
        return masked_text(self._settings.camera.source)

    def _open_camera(self) -> Camera:
        return open_camera(self._settings.camera, self._clock, is_busy=self._is_busy)

    def _is_busy(self) -> bool:
        """Whether work is going on for which a fast replay should wait."""
        return self._observer.is_busy or not self._announcer.is_idle

    def _open_history(self, stack: ExitStack) -> Callable[[float], str] | None:
        settings = self._settings.history
        if not settings.is_on:
            return None
        path = self._directories.state / HISTORY_FILE
        history = History(path, settings, self._clock, publish=self._bus.publish)
        stack.callback(history.close)
        self._bus.subscribe(history)
        self._add("history", history.step, history.wake)
        return lambda minutes: history.summary(minutes).text

    def _open_mqtt(self, stack: ExitStack) -> None:
        """Publish, where a broker is named; it is imported only then."""
        if not self._settings.mqtt.is_on:
            return
        from device.mqtt.sink import DaemonSide, MqttSink

        settings, state = self._settings, self._directories.state
        outbox = self._outbox = Outbox(
            state / OUTBOX_FILE,
            settings.history.outbox_rows,
            syncs_per_hour=settings.history.writes_per_hour,
            clock=self._clock,
            publish=self._bus.publish,
        )
        stack.callback(outbox.close)
        side = DaemonSide(
            self._controller, self._bus, self._controller.status, self._clock, self._newest_jpeg
        )
        sink = MqttSink(settings.mqtt, _identity(settings), side, outbox)
        stack.callback(sink.close)
        self._bus.subscribe(sink)
        self._add("mqtt", sink.step, sink.wake)

    def _newest_jpeg(self) -> bytes | None:
        frame = self._grabber.latest()
        return None if frame is None else jpeg(frame.image_hwc)

    def _open_metrics(self, stack: ExitStack) -> None:
        if not self._settings.metrics.is_on:
            return
        from device.health.metrics import MetricsListener, Readings
        from device.health.metrics_server import MetricsServer

        grabber = self._grabber
        listener = MetricsListener(
            Readings(
                frames=lambda: grabber.frames,
                drops=lambda: grabber.drops,
                frame_age_s=lambda: grabber.frame_age_s,
                bundle=lambda: self._swap.bundle,
                restarts={"camera": lambda: grabber.reconnects},
                dropped_messages=lambda: 0 if self._outbox is None else self._outbox.dropped,
            )
        )
        self._bus.subscribe(listener)
        server = MetricsServer(listener.registry, self._settings.metrics)
        server.start()
        stack.callback(server.close)

    def _make_triggers(self) -> list[Trigger]:
        settings = self._settings.triggers
        target = Target(self._controller, self._clock, self._fail)
        feedback = Feedback(
            on_down=lambda asked_s: self._announcer.earcon(Earcon.HEARD, asked_s),
            on_hold=lambda asked_s: self._announcer.earcon(Earcon.CAPTURED, asked_s),
        )
        socket = settings.socket.path or self._directories.socket
        triggers: list[Trigger] = [
            ControlSocket(socket, target),
            SignalTrigger(target, self.reload),
        ]
        if settings.button.pin is not None:
            folder = self._directories.runtime
            triggers.append(ButtonTrigger(settings.button, target, feedback, lg_folder=folder))
        if settings.keys:
            triggers.append(KeyTrigger(settings.keys, target, feedback))
        return triggers

    # ------------------------------------------------------------ running

    def _start(self, stack: ExitStack) -> None:
        """Start all threads, listeners first and the camera last, and tell systemd."""
        stack.callback(self._stop_workers)
        for worker in self._workers:
            worker.start()
        for trigger in self._triggers:
            self._start_trigger(trigger, stack)
        self._notifier.ready(f"looks through {self._camera_name}")
        _LOGGER.info("ready: bundle %s, camera %s", self._swap.bundle, self._camera_name)

    def _start_trigger(self, trigger: Trigger, stack: ExitStack) -> None:
        """Start a trigger; the daemon lives without a button, but not beside another daemon."""
        try:
            trigger.start()
        except TriggerError as exc:
            text = str(exc)
            self._bus.publish(
                ProblemChanged(at=self._clock.utc(), part=Part.BUTTON, is_problem=True, text=text)
            )
        stack.callback(trigger.close)

    def _wait(self) -> None:
        """Return when it is over; meanwhile feed the watchdog and end what has run out."""
        watched = [*self._workers, *(w for trigger in self._triggers for w in trigger.workers)]
        asked_period_s = watchdog_period_s()
        # Where nobody asks to be fed, a hang is still logged.
        watchdog = Watchdog(watched, self._notifier if asked_period_s else Notifier(None))
        period_s = asked_period_s or _LONGEST_PERIOD_S
        fed_s = -period_s
        while not self._over.wait(_TICK_S):
            now_s = time.monotonic()
            if now_s - fed_s >= period_s / 2:
                watchdog.feed(now_s)
                fed_s = now_s
            self._controller.tick()

    def reload(self) -> None:
        """Read the settings anew; what needs a restart, or is wrong, changes nothing."""
        self._notifier.reloading()
        try:
            settings = load_settings(self._config)
        except ConfigError as exc:
            _LOGGER.error("the settings are not read anew, the old ones stay: %s", exc)  # noqa: TRY400
        else:
            self._controller.reload(settings)
            self._swap.reload(settings)
            changed = ", ".join(differing_keys(self._settings, settings)) or "nothing"
            self._settings = settings
            _LOGGER.info("settings read anew, changed: %s; parts change at a restart", changed)
        self._notifier.ready(f"looks through {self._camera_name}")

    def _stop_workers(self) -> None:
        """Silence first, so that no thread waits for the end of a sentence."""
        self._announcer.stop()
        stop_all(list(reversed(self._workers)), STOP_TIMEOUT_S)

    def _add(
        self, name: str, step: Callable[[], None], wake: Callable[[], None] | None = None
    ) -> None:
        self._workers.append(Worker(name, step, self._fail, wake))

    def _fail(self, why: str) -> None:
        self._failure = why
        self._over.set()

    def _tell_state_problem(self, is_problem: bool, text: str) -> None:
        at = self._clock.utc()
        self._bus.publish(ProblemChanged(at=at, part=Part.STATE, is_problem=is_problem, text=text))

    @contextmanager
    def _ending_signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT set the event, and nothing else."""

        def end(_signal: int, _frame: FrameType | None) -> None:
            self._over.set()

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _identity(settings: Settings) -> Identity:
    """Return who this device is to a broker."""
    voices = {BUILT_IN_VOICE: ""}
    if settings.speech.voice is not None:
        voices[settings.speech.voice.stem] = str(settings.speech.voice)
    return Identity(
        id=settings.device.id or default_device_id(),
        name=settings.device.name,
        voices=voices,
        volume=range_of(SpeechSettings, "volume", 0.05),
        rate=range_of(SpeechSettings, "rate", 0.05),
        minimum_gap_s=range_of(NarrationSettings, "minimum_gap_s", 1.0),
    )


def _with_kept_voice(settings: SpeechSettings, state: RunState) -> SpeechSettings:
    """Return the settings with the voice that was chosen last, if it can still be used."""
    if state.voice is None:
        return settings
    path = Path(state.voice) if state.voice else None
    try:
        find_voice(path)
    except VoiceError as exc:
        _LOGGER.warning("the voice that was chosen last cannot be used: %s", exc)
        return settings
    return settings.model_copy(update={"voice": path})
