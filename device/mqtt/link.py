"""Keeps a session to the broker for as long as the daemon runs, and tells when there is none.

Invariants: nothing here waits; a session that failed in any way is ended and never used again; a
broker that drops us at once is not asked more often than one that is away.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Hashable

from device.backoff import Backoff
from device.clock import Clock
from device.errors import BrokerError, SeeAloudError
from device.events import EventBus, Part, ProblemChanged
from device.mqtt.connection import Received
from device.mqtt.daemon_settings import MqttSettings
from device.mqtt.dialer import Dialer
from device.mqtt.outage import STABLE_S, Outage
from device.mqtt.paho_client import Outgoing
from device.mqtt.session import Delivered, Session

_LOGGER = logging.getLogger(__name__)


class Link:
    """Used by one thread.

    Args:
        settings: waits.
        dialer: opens sessions.
        bus: told of the broker as of any part that can be away.
        clock: the time.
        chance: makes many devices come one after the other.
    """

    def __init__(
        self,
        settings: MqttSettings,
        dialer: Dialer,
        bus: EventBus,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._dialer, self._bus, self._clock = dialer, bus, clock
        self._backoff = Backoff(settings.retry_min_s, settings.retry_max_s, chance)
        self._outage = Outage(settings.report_after_s)
        self._session: Session | None = None
        self._began_s = 0.0
        self._next_dial_s = float("-inf")
        self._has_warned = False

    @property
    def session(self) -> Session | None:
        """The session, or None while there is none."""
        return self._session

    def tend(self) -> bool:
        """Connect where that is due, and return whether a session has begun just now.

        Raises:
            Exception: a defect in opening sessions; none of the broker's failures.
        """
        has_begun = False
        now_s = self._clock.now_s()
        if self._session is None:
            has_begun = self._try_to_begin(now_s)
        elif now_s - self._began_s >= STABLE_S:
            self._backoff.reset()
        if (report := self._outage.tick(now_s)) is not None:
            problem = ProblemChanged(
                at=self._clock.utc(),
                part=Part.BROKER,
                is_problem=report.is_problem,
                text=report.text,
            )
            self._bus.publish(problem)
        return has_begun

    def send(self, message: Outgoing, key: Hashable) -> bool:
        """Hand a message over; False where there is no session."""
        return self.use(lambda session: session.send(message, key))

    def use(self, work: Callable[[Session], None]) -> bool:
        """Do something with the session; False where there is none, or it failed."""
        if self._session is None:
            return False
        try:
            work(self._session)
        except BrokerError as exc:
            self._lose(str(exc))
            return False
        return True

    def receive(self) -> Delivered | Received | None:
        """Return what has happened, at once; None for nothing, or where the session is lost."""
        found: list[Delivered | Received | None] = [None]

        def work(session: Session) -> None:
            found[0] = session.receive()

        self.use(work)
        return found[0]

    def close(self, timeout_s: float) -> None:
        """Say offline, in so long, and connect no more."""
        self._dialer.close()
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close(timeout_s)
            except BrokerError as exc:
                _LOGGER.info("the last will says offline in our place: %s", exc)

    def _try_to_begin(self, now_s: float) -> bool:
        match self._dialer.take():
            case Session() as session:
                self._session, self._began_s = session, now_s
                self._has_warned = False
                self._outage.connected(now_s)
                return True
            case SeeAloudError() as error:
                self._fail(str(error), now_s)
            case Exception() as defect:
                self._next_dial_s = now_s + self._backoff.next_s()
                raise defect
        if now_s >= self._next_dial_s:
            self._dialer.dial()
        return False

    def _fail(self, text: str, now_s: float) -> None:
        self._outage.failed(text, now_s)
        wait_s = self._backoff.next_s()
        self._next_dial_s = now_s + wait_s
        level = logging.DEBUG if self._has_warned else logging.WARNING
        self._has_warned = True
        _LOGGER.log(level, "%s; trying again in %.1f s, and so on", text, wait_s)

    def _lose(self, text: str) -> None:
        session, self._session = self._session, None
        now_s = self._clock.now_s()
        if session is not None:
            session.abandon()
        self._outage.lost(text, now_s)
        self._next_dial_s = now_s + self._backoff.next_s()
        _LOGGER.warning("%s", text)
