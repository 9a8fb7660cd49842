"""The daemon: the only module that connects the parts.

Listeners start first, the camera last. They stop in reverse order: every stop event is set first,
then the threads are joined, all under one deadline. The main thread only waits, feeds the watchdog,
retries triggers and ends an expired snooze; it does nothing that can block.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from seealoud.device.bundles.store import BundleStore
from seealoud.device.bundles.trial import BundleTrial
from seealoud.device.camera.grabber import Grabber
from seealoud.device.camera.open import open_camera, open_clocks
from seealoud.device.camera.source import parse_source
from seealoud.device.daemon.controller import Answers, DaemonController
from seealoud.device.daemon.held_bus import HeldBus
from seealoud.device.daemon.live_settings import LiveParts, LiveSettings
from seealoud.device.daemon.observer import Observer
from seealoud.device.daemon.optional_parts import (
    Core,
    MeasuredParts,
    ShownParts,
    make_page,
    open_history,
    open_metrics,
    open_mqtt,
    open_updates,
)
from seealoud.device.daemon.place_observer import open_places
from seealoud.device.daemon.reload import BundleReload, open_daemon_describer
from seealoud.device.daemon.sentences import NO_BROKER, no_camera, often_spoken
from seealoud.device.daemon.status import DaemonStatus, Greeting, ProblemAnnouncer, announce_end
from seealoud.device.daemon.trigger_set import TriggerSet, make_triggers
from seealoud.device.ending_signals import ending_signals
from seealoud.device.errors import ConfigError, WorkerError
from seealoud.device.events import Part
from seealoud.device.health.event_log import EventLog
from seealoud.device.health.notify import Notifier, Watchdog, watchdog_period_s
from seealoud.device.narrator.narrator import Narrator
from seealoud.device.settings.effective import differing_keys
from seealoud.device.settings.load import load_settings
from seealoud.device.settings.paths import Directories, StateLock
from seealoud.device.settings.schema import Settings
from seealoud.device.settings.state import StateFile
from seealoud.device.settings.toml_text import masked_text
from seealoud.device.speech.announcer import Announcer
from seealoud.device.speech.chosen_voice import OpenVoice
from seealoud.device.speech.piper import PiperVoices
from seealoud.device.speech.playback import open_playback
from seealoud.device.speech.voice import SilentVoice, with_kept_voice
from seealoud.device.triggers.signals import SignalTrigger
from seealoud.device.triggers.trigger import Target
from seealoud.device.worker import Worker, WorkerGroup

_LOGGER = logging.getLogger(__name__)
_TICK_S = 0.5


class Daemon:
    """Everything between the camera and the loudspeaker.

    Args:
        settings: as read from the file.
        config: their file, read again on SIGHUP; None means the usual places.
        directories: where state and socket are.
    """

    def __init__(self, settings: Settings, config: Path | None, directories: Directories) -> None:
        self._settings = settings
        self._config = config
        self._directories = directories
        self._over = threading.Event()
        self._workers = WorkerGroup(self._over)
        self._notifier = Notifier.from_environment()
        self._bus = HeldBus()
        self._clocks = open_clocks(settings.camera)
        self._clock = self._clocks.machine
        self._source = parse_source(settings.camera.source)
        self._voices = PiperVoices()
        self._trial = BundleTrial(BundleStore(directories.bundles))

    def run(self) -> int:
        """Run until SIGTERM, SIGINT or the end of a replay; return the exit code.

        Raises:
            DaemonError: another daemon uses this state directory, or a part failed permanently.
            BundleError: there is no usable bundle.
            ConfigError: a setting cannot be used.
        """
        with ExitStack() as stack:
            stack.enter_context(ending_signals(lambda _: self._over.set()))
            if self._over.is_set():
                return 0
            stack.enter_context(StateLock(self._directories.state))
            with self._bus.held():  # an early failure is published to late listeners as well
                self._build(stack)
            if not self._over.is_set():  # no signal has come since the program began
                self._start(stack)
                self._wait()
                if not self._workers.failure:
                    self._trial.pause()
            self._notifier.stopping()
        if self._workers.failure:
            raise WorkerError(f"the daemon ended: {self._workers.failure}")
        return 0

    def _build(self, stack: ExitStack) -> None:
        """Create every part, listeners first; no thread starts yet, except that the voice loads."""
        bus, clock, workers = self._bus, self._clock, self._workers
        core = Core(self._settings, self._directories, bus, clock, workers, stack)
        bus.subscribe(EventLog())
        state_file = StateFile(self._directories.state_file, bus.publish, clock)
        stack.callback(state_file.close)
        self._announcer = self._open_speech(core, state_file)
        missing = {Part.CAMERA: no_camera(self._source.kind), Part.BROKER: NO_BROKER}
        self._problems = ProblemAnnouncer(self._announcer.announce, clock.now_s, missing)
        bus.subscribe(self._problems)
        self._open_sight(core)
        bus.subscribe(self._trial)
        self._open_control(core, state_file)
        pictures = self._observer.pictures
        outbox = open_mqtt(core, self._controller, self._grabber, pictures)
        open_metrics(
            core,
            MeasuredParts(
                grabber=self._grabber,
                observer=self._observer,
                announcer=self._announcer,
                voices=self._voices,
                outbox=outbox,
                bundle_name=lambda: self._bundle.bundle,
            ),
        )
        speech = workers.add("speech", self._announcer.step, self._announcer.wake)
        self._announcer.report_progress_to(speech.progress)
        workers.add("observer", self._observer.step)
        workers.add("camera", self._grabber.step, self._grabber.wake)
        self._triggers = self._open_triggers(core)

    def _open_speech(self, core: Core, state_file: StateFile) -> Announcer:
        settings = with_kept_voice(core.settings.speech, state_file.read().voice)
        playback = open_playback(settings)
        # Without a loudspeaker nothing has to begin at once, and no voice is loaded.
        is_silent = settings.output == "none"
        often = () if is_silent else often_spoken()
        open_voice: OpenVoice = SilentVoice.open if is_silent else self._voices.open
        announcer = Announcer(settings, playback, core.bus, core.clock, open_voice, often)
        core.closing.callback(announcer.close)
        announcer.warm()
        return announcer

    def _open_sight(self, core: Core) -> None:
        """Create what takes frames and describes them."""
        settings, bus, clock, announcer = core.settings, core.bus, core.clock, self._announcer
        describer, bundle = open_daemon_describer(settings, self._trial)
        self._grabber = Grabber(
            partial(open_camera, settings.camera, self._clocks, self._is_busy),
            clock,
            bus,
            settings.camera,
            on_end=partial(announce_end, announcer.announce, self._is_busy, self._over, clock),
        )
        core.closing.callback(self._grabber.close)
        self._places = open_places(
            core.directories.state,
            self._grabber,
            announcer,
            bus,
            clock,
            first=settings.places.is_spoken,
        )
        self._observer = Observer(
            self._grabber,
            describer,
            Narrator(settings.narration),
            announcer,
            bus,
            self._clocks,
            self._places,
        )
        core.closing.callback(self._observer.close)
        self._bundle = BundleReload(self._observer, (bundle, settings), bus, clock, self._trial)

    def _open_control(self, core: Core, state_file: StateFile) -> None:
        """Create what answers requests."""
        settings, bus, clock, grabber = core.settings, core.bus, core.clock, self._grabber
        status = DaemonStatus(grabber, self._problems, lambda: self._bundle.bundle)
        bus.subscribe(status)
        self._greeting = Greeting(
            grabber,
            self._problems,
            settings.narration,
            clock,
            is_replay=self._source.is_replay,
        )
        live_parts = LiveParts(self._observer, grabber, self._announcer, state_file)
        live = LiveSettings(live_parts, settings, bus, clock)
        self._history = open_history(core)
        summary_of = None if self._history is None else self._history.summary
        announce = self._announcer.announce
        self._updater = open_updates(core, lambda: self._settings, self._bundle, announce)
        update = None if self._updater is None else self._updater.order
        answers = Answers(status.spoken, status.values, self._places, summary_of, update)
        self._controller = DaemonController(
            self._observer, self._announcer, live, answers, bus, clock
        )

    def _open_triggers(self, core: Core) -> TriggerSet:
        target = Target(self._controller.handle, self._clock, self._workers.fail)
        settings, sound = self._settings.triggers, self._announcer.earcon
        triggers = make_triggers(settings, self._directories, target, sound, self._bus)
        triggers[Part.SIGNALS] = SignalTrigger(target, self.reload)
        shown = ShownParts(
            grabber=self._grabber,
            observer=self._observer,
            problems=self._problems,
            places=self._places.finder,
            history=self._history,
        )
        page = make_page(core, self._controller, shown)
        if page is not None:
            triggers[Part.PAGE] = page
        return TriggerSet(triggers, self._bus, self._clock)

    @property
    def _camera_name(self) -> str:
        """The camera's name, without a password in its address."""
        return masked_text(self._settings.camera.source)

    def _is_busy(self) -> bool:
        """Whether there is work for which a fast replay should wait."""
        return self._observer.is_busy or not self._announcer.is_idle

    def _start(self, stack: ExitStack) -> None:
        """Start all threads, listeners first and the camera last, and notify systemd."""
        stack.callback(self._stop_workers)
        self._workers.start()
        stack.callback(self._triggers.close)
        self._triggers.start()
        self._places.finder.report_known()
        self._notifier.ready(f"looks through {self._camera_name}")
        self._trial.started()
        if self._updater is not None:
            self._updater.start()
        _LOGGER.info("ready: bundle %s, camera %s", self._bundle.bundle, self._camera_name)

    def _wait(self) -> None:
        """Return when the daemon must end; feed the watchdog and retry triggers until then."""
        watchdog = Watchdog(self._watched, self._notifier, watchdog_period_s())
        while not self._over.wait(_TICK_S):
            watchdog.feed_where_due(time.monotonic())
            self._greeting.greet_where_due()
            self._controller.tick()
            self._trial.tick()
            self._triggers.retry_where_due()

    def _watched(self) -> list[Worker]:
        return [*self._workers.workers, *self._triggers.workers]

    def _stop_workers(self) -> None:
        """Stop the speech first, so that no thread waits for the end of a sentence."""
        self._announcer.stop()
        self._workers.stop()

    def reload(self) -> None:
        """Read the settings again; wrong settings change nothing, and some need a restart."""
        self._notifier.reloading()
        try:
            settings = load_settings(self._config)
        except ConfigError as exc:
            _LOGGER.error("the settings cannot be reloaded, the old ones stay in use: %s", exc)  # noqa: TRY400
        else:
            self._controller.reload(settings)
            self._bundle.reload(settings)
            changed = ", ".join(differing_keys(self._settings, settings)) or "nothing"
            self._settings = settings
            _LOGGER.info("settings reloaded, changed: %s; some changes need a restart", changed)
        self._notifier.ready(f"looks through {self._camera_name}")
