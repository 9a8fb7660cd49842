"""Keeps a connection to the broker for as long as the daemon runs, and reports when there is none.

Invariants: nothing here waits; a connection that failed in any way is ended and never used again;
a broker that drops the connection at once is not asked more often than one that is away. The broker
is reached in a thread of its own, since nothing ends the wait for a name server or for TLS; there
is at most one such thread, and a connection that is no longer wanted is ended at once.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Hashable

from seealoud.device.clock import Clock
from seealoud.device.errors import BrokerError, SeeAloudError
from seealoud.device.events import EventBus, Part
from seealoud.device.mqtt.connection import Confirmation, DeviceConnection
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.settings import MqttLimits
from seealoud.device.mqtt.topics import OutgoingMessage
from seealoud.device.part_health import Backoff, PartHealth

_LOGGER = logging.getLogger(__name__)
# A connection that has lasted so long is a stable one.
STABLE_S = 10.0
# A broker that restarts drops one connection. This many short ones in a row have another cause,
# such as two devices with the same id, and the next one is a recovery only when it is stable.
_SHORT_LIVES = 3


class BrokerConnection:
    """Used by one thread.

    Args:
        open_connection: blocks until there is a connection, or raises.
        notify: called from another thread when an attempt has ended.
        bus: carries the reports of a broker that is away.
        clock: the time.
        limits: waits.
        chance: draws waits, so that many devices do not connect at the same time.
    """

    def __init__(
        self,
        open_connection: Callable[[], DeviceConnection],
        notify: Callable[[], None],
        bus: EventBus,
        clock: Clock,
        limits: MqttLimits,
        chance: random.Random,
    ) -> None:
        self._open_connection = open_connection
        self._notify = notify
        self._clock = clock
        self._backoff = Backoff(limits.retry_min_s, limits.retry_max_s, clock.now_s, chance)
        # Without the backoff, which keeps growing until a connection is stable.
        self._health = PartHealth(
            Part.BROKER, bus.publish, clock, report_after_s=limits.report_after_s
        )
        self._limits = limits
        self._chance = chance
        # Not before this, so that not all devices connect when power or broker come back.
        self._earliest_s = clock.now_s() + chance.uniform(0.0, limits.start_spread_s)
        self._connection: DeviceConnection | None = None
        self._began_s = 0.0
        self._short_lives = 0
        self._has_warned = False
        # Shared with the thread that reaches the broker.
        self._lock = threading.Lock()
        self._is_dialing = False
        self._is_closed = False
        self._outcome: DeviceConnection | Exception | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None

    def tend(self) -> bool:
        """Connect where that is due, and return whether a connection has begun just now.

        Raises:
            Exception: a defect in opening connections; none of the broker's failures.
        """
        has_begun = False
        if self._connection is None:
            has_begun = self._has_connected()
        elif self._clock.now_s() - self._began_s >= STABLE_S:
            self._short_lives = 0
            self._backoff.reset()
            self._recovered()
        self._health.report_where_due()
        return has_begun

    def send(self, message: OutgoingMessage, key: Hashable) -> bool:
        """Hand a message over; False where there is no connection."""
        return self.use(lambda connection: connection.send(message, key))

    def use(self, work: Callable[[DeviceConnection], object]) -> bool:
        """Do something with the connection; False where there is none, or it failed."""
        if self._connection is None:
            return False
        try:
            work(self._connection)
        except BrokerError as exc:
            self._lose(self._connection, str(exc))
            return False
        return True

    def receive(self) -> Confirmation | ReceivedMessage | None:
        """Return what has happened, at once; None for nothing, or without a connection."""
        found: list[Confirmation | ReceivedMessage | None] = []
        self.use(lambda connection: found.append(connection.receive()))
        return found[0] if found else None

    def close(self, timeout_s: float) -> None:
        """Publish "offline" within this time, and do not connect again."""
        with self._lock:
            self._is_closed = True
            unused, self._outcome = self._outcome, None
        if isinstance(unused, DeviceConnection):
            unused.abandon()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close(timeout_s)
            except BrokerError as exc:
                _LOGGER.info("offline is published by the last will: %s", exc)

    def _has_connected(self) -> bool:
        with self._lock:
            outcome, self._outcome = self._outcome, None
            is_dialing = self._is_dialing = self._is_dialing and outcome is None
        match outcome:
            case DeviceConnection():
                self._connection = outcome
                self._began_s = self._clock.now_s()
                self._has_warned = False
                if self._short_lives < _SHORT_LIVES:
                    self._recovered()
                return True
            case SeeAloudError():
                self._fail(str(outcome))
            case Exception():
                self._backoff.failed()
                raise outcome
        is_due = self._backoff.rest_s == 0 and self._clock.now_s() >= self._earliest_s
        if is_due and not is_dialing and not self._is_closed:
            self._is_dialing = True
            threading.Thread(target=self._dial, name="mqtt-dial", daemon=True).start()
        return False

    def _dial(self) -> None:
        outcome: DeviceConnection | Exception
        try:
            outcome = self._open_connection()
        except Exception as exc:  # noqa: BLE001 - carried to the thread that wants the connection
            outcome = exc
        with self._lock:
            is_wanted = not self._is_closed
            if is_wanted:
                self._outcome = outcome
        if not is_wanted and isinstance(outcome, DeviceConnection):
            outcome.abandon()
        self._notify()

    def _recovered(self) -> None:
        self._health.worked("The MQTT broker is back.")

    def _fail(self, text: str) -> None:
        self._health.failed(text)
        wait_s = self._backoff.failed()
        level = logging.DEBUG if self._has_warned else logging.WARNING
        self._has_warned = True
        _LOGGER.log(level, "%s; trying again in %.1f s", text, wait_s)

    def _lose(self, connection: DeviceConnection, text: str) -> None:
        connection.abandon()
        self._connection = None
        is_short = self._clock.now_s() - self._began_s < STABLE_S
        self._short_lives = self._short_lives + 1 if is_short else 0
        self._health.failed(text)
        if is_short:
            self._backoff.failed()
        self._earliest_s = self._clock.now_s() + self._chance.uniform(0.0, self._limits.spread_s)
        _LOGGER.warning("%s", text)
