"""Reaches the broker in a thread of its own, since nothing ends a name server's or a TLS wait.

Invariant: at most one such thread; a session that nobody waits for any more is ended at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from device.mqtt.session import Session


class Dialer:
    """Opens sessions without blocking who wants them; used by one thread.

    Args:
        open_session: blocks until there is one, or raises.
        notify: called from the dialer's thread when ``take`` has something.
    """

    def __init__(self, open_session: Callable[[], Session], notify: Callable[[], None]) -> None:
        self._open_session, self._notify = open_session, notify
        self._lock = threading.Lock()
        self._outcome: Session | Exception | None = None
        self._is_closed = False
        self._is_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether an attempt is under way, or its outcome was not taken."""
        with self._lock:
            return self._is_busy

    def dial(self) -> None:
        """Begin an attempt, unless one is under way."""
        with self._lock:
            if self._is_busy or self._is_closed:
                return
            self._is_busy = True
        threading.Thread(target=self._run, name="mqtt-dial", daemon=True).start()

    def take(self) -> Session | Exception | None:
        """Return what became of the attempt, once; None as long as that is open."""
        with self._lock:
            outcome, self._outcome = self._outcome, None
            if outcome is not None:
                self._is_busy = False
            return outcome

    def close(self) -> None:
        """Want no session any more; the thread ends when its attempt does."""
        with self._lock:
            self._is_closed = True
            outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Session):
            outcome.abandon()

    def _run(self) -> None:
        outcome: Session | Exception
        try:
            outcome = self._open_session()
        except Exception as exc:  # noqa: BLE001 - carried to the thread that wants the session
            outcome = exc
        with self._lock:
            is_wanted = not self._is_closed
            if is_wanted:
                self._outcome = outcome
        if not is_wanted and isinstance(outcome, Session):
            outcome.abandon()
        self._notify()
