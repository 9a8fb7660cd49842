"""Carries out requests; most are answered in spoken words.

Invariants: a request is carried out completely or refused with a reason, and either is published.
``handle`` never raises: an unexpected error becomes the refusal of that request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seealoud.device import requests as r
from seealoud.device.clock import Clock
from seealoud.device.daemon import sentences
from seealoud.device.daemon.live_settings import LiveSettings
from seealoud.device.daemon.observer import Observer, Question
from seealoud.device.daemon.place_finder import Lesson
from seealoud.device.daemon.place_observer import PlaceObserver
from seealoud.device.errors import RequestError, VoiceError
from seealoud.device.events import EventBus, Requested, SummedUp
from seealoud.device.records import Cause, Earcon, HistorySummary, Priority, Utterance
from seealoud.device.settings.schema import Settings
from seealoud.device.speech.announcer import Announcer

_LOGGER = logging.getLogger(__name__)
# For these a sound was played when the button was pressed.
_PRESSES = (Cause.BUTTON, Cause.KEY)


@dataclass(frozen=True, slots=True)
class Answers:
    """Sources of answers besides the observer's.

    Attributes:
        self_check: returns the state of the device in words.
        status: returns the state besides the live settings.
        places: learns and forgets places.
        summary: returns what was seen in the last minutes; None without a history.
        update: begins an update of the bundle; None without a feed of updates.
    """

    self_check: Callable[[], str]
    status: Callable[[], Mapping[str, r.Value]]
    places: PlaceObserver
    summary: Callable[[float], HistorySummary] | None = None
    update: Callable[[Cause, str], None] | None = None


class DaemonController:
    """Carries out requests; all methods from any thread."""

    def __init__(
        self,
        observer: Observer,
        announcer: Announcer,
        live: LiveSettings,
        answers: Answers,
        bus: EventBus,
        clock: Clock,
    ) -> None:
        self._observer = observer
        self._announcer = announcer
        self._live = live
        self._answers = answers
        self._bus = bus
        self._clock = clock
        self._lock = threading.RLock()

    def handle(self, request: r.Request, cause: Cause, asked_s: float) -> r.Outcome:
        """Accept or refuse a request and return at once."""
        reason = answer = ""
        data: dict[str, r.Value] = {}
        try:
            if isinstance(request, r.Set) and request.name == "voice":
                # Without the lock: it takes seconds, and other requests are served meanwhile.
                self._change_voice(request.value)
            with self._lock:
                data, answer = self._obey(request, cause, asked_s)
        except (RequestError, VoiceError) as exc:
            reason = str(exc)
        except Exception as exc:
            # The event below logs it; the traceback is only written where it was asked for.
            reason = f"internal error: {type(exc).__name__}: {exc}"
            _LOGGER.debug("a request failed: %r", request, exc_info=True)
        self._bus.publish(
            Requested(
                at=self._clock.utc(),
                action=request.action,
                cause=cause,
                is_accepted=not reason,
                reason=reason,
                id=request.id,
            )
        )
        return r.Outcome(
            is_accepted=not reason, reason=reason, data=data, answer=answer, id=request.id
        )

    def status(self) -> dict[str, r.Value]:
        """Return the live settings and the state, as ``seealoud press status`` prints them."""
        with self._lock:
            return {**self._live.values(), **self._answers.status()}

    def reload(self, settings: Settings) -> None:
        """Use settings that were read again; changes made at run time stay."""
        with self._lock:
            self._live.reload(settings)

    def tick(self) -> None:
        """End an expired snooze and announce it, and save what waits; call it every second."""
        with self._lock:
            self._live.save_where_due()
            if self._live.is_snooze_over() and self._live.is_narrating:
                self._say(sentences.NARRATION_BACK, Cause.SCHEDULE, self._clock.now_s())

    def _obey(
        self, request: r.Request, cause: Cause, asked_s: float
    ) -> tuple[dict[str, r.Value], str]:
        """Carry out a request; return its data, and its answer if that is known already."""
        answer = ""
        match request:
            case r.Status():
                return self.status(), ""
            case r.Describe() | r.Where():
                if cause not in _PRESSES:
                    self._announcer.earcon(Earcon.HEARD, asked_s)
                is_place = isinstance(request, r.Where)
                self._observer.ask(Question(cause, asked_s, request.id, is_place))
            case r.Repeat():
                repeated = self._announcer.repeat(cause, asked_s)
                if repeated is not None:
                    return {}, repeated
                answer = sentences.NOTHING_SAID
                self._say(answer, cause, asked_s, request.id)
            case r.Stop():
                self._announcer.stop()
            case r.Say(text=text):
                self._announcer.announce(
                    Utterance(text, Priority.ALERT, cause, asked_s, request.id)
                )
            case _:
                answer = self._changed(request, cause)
                if answer:
                    self._say(answer, cause, asked_s, request.id)
        return {}, answer

    def _changed(self, request: r.Request, cause: Cause) -> str:
        """Carry out a request that changes something or needs an answer; return the answer."""
        live = self._live
        match request:
            case r.PlaceTeach(name=name, id=own_id):
                self._answers.places.teach(Lesson(name, cause, self._clock.now_s(), own_id))
                return sentences.TEACHING
            case r.PlaceForget(name=name):
                return self._answers.places.finder.forget(name)
            case r.Narrate() | r.AlertSwitch() | r.Mute() | r.Privacy():
                return self._switched(request, cause)
            case r.Snooze(minutes=minutes):
                live.snooze(minutes, cause)
                return _snooze_text(minutes)
            case r.Set(name="voice", value=value):
                live.keep_voice(str(value), cause)
                return sentences.NEW_VOICE
            case r.Set(name=name, value=value):
                live.set_number(name, value, cause)
                return ""
            case r.SelfCheck():
                return self._answers.self_check()
            case r.Summary():
                return self._summary(request, cause)
            case r.Update(id=own_id):
                return self._update(cause, own_id)
            case _:
                raise RequestError(f"this daemon cannot do {request.action}")

    def _summary(self, request: r.Summary, cause: Cause) -> str:
        if self._answers.summary is None:
            raise RequestError("there is no history to sum up: set is_on = true in [history]")
        summary = self._answers.summary(request.minutes)
        self._bus.publish(
            SummedUp(at=self._clock.utc(), summary=summary, cause=cause, id=request.id)
        )
        return summary.text

    def _update(self, cause: Cause, own_id: str) -> str:
        if self._answers.update is None:
            raise RequestError("no updates are looked for: set updates in [captioner]")
        self._answers.update(cause, own_id)
        return sentences.UPDATING

    def _switched(
        self, request: r.Narrate | r.AlertSwitch | r.Mute | r.Privacy, cause: Cause
    ) -> str:
        """Switch something on or off; return the answer."""
        live = self._live
        match request:
            case r.Narrate(is_on=is_on):
                is_on = not live.is_narrating if is_on is None else is_on
                live.narrate(is_on, cause)
                alerts_stay = not is_on and live.is_alerting and live.has_rules
                return sentences.ALERTS_STAY if alerts_stay else sentences.NARRATION[is_on]
            case r.AlertSwitch(is_on=is_on):
                live.alert(is_on, cause)
                is_useless = is_on and not live.has_rules
                return sentences.ALERTS_WITHOUT_RULES if is_useless else sentences.ALERTS[is_on]
            case r.Mute(is_on=is_on):
                live.mute(is_on, cause)
                return "" if is_on else sentences.SOUND_ON
            case r.Privacy(is_on=is_on):
                live.privacy(is_on, cause)
                return sentences.PRIVACY[is_on]

    def _change_voice(self, path: float | str) -> None:
        """Load another voice.

        Raises:
            RequestError: the value is not a path.
            VoiceError: the voice cannot be used; the old one stays in use.
        """
        if not isinstance(path, str):
            raise RequestError(f"voice {path!r}: give its path, or '' for the built-in one")
        self._announcer.set_voice(path or None)

    def _say(self, text: str, cause: Cause, asked_s: float, request_id: str = "") -> None:
        self._announcer.announce(Utterance(text, Priority.ANSWER, cause, asked_s, request_id))


def _snooze_text(minutes: float) -> str:
    if not minutes:
        return sentences.NARRATION_BACK
    unit = "minute" if minutes == 1 else "minutes"
    return f"Narration pauses for {minutes:g} {unit}."
