"""Notifies systemd by sd_notify(3): ready, reloading, stopping, status, watchdog.

Invariant: the watchdog is fed only while every worker makes progress, so a hang ends in a restart.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from seealoud.device.worker import Worker

_LOGGER = logging.getLogger(__name__)
_SOCKET_VARIABLE = "NOTIFY_SOCKET"
_MICROSECONDS = 1_000_000
# sd_watchdog_enabled(3) recommends to feed it twice within the time.
_FEEDS_PER_TIMEOUT = 2
_MAX_STATUS_CHARS = 200
# Without a watchdog a hang is still logged.
_CHECK_S = 5.0
# A systemd that is too busy to listen must not stop the daemon.
_SEND_TIMEOUT_S = 0.5


class Notifier:
    """Sends one datagram for each message; without an address it sends none.

    A message that cannot be sent is logged once and otherwise ignored: no daemon should end for it.

    Args:
        address: path of systemd's socket, "@" first for an abstract one; None outside of systemd.
    """

    def __init__(self, address: str | None) -> None:
        self._address = _socket_address(address) if address else None
        self._is_lost = False

    @staticmethod
    def from_environment(environ: Mapping[str, str] = os.environ) -> Notifier:
        """Return the notifier of this process."""
        return Notifier(environ.get(_SOCKET_VARIABLE))

    def ready(self, status: str) -> None:
        """Report that the start, or a reload, is done."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Report that the settings are being read again; ``ready`` ends it."""
        # systemd compares the time with that of its own signal, on the same clock.
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Feed the watchdog; for ``Watchdog``."""
        self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_TIMEOUT_S)
                sender.sendto("\n".join(assignments).encode(), self._address)
        except OSError as exc:
            if not self._is_lost:
                _LOGGER.warning(
                    "%s cannot be sent to systemd: %s", assignments[0], exc.strerror or exc
                )
            self._is_lost = True
        else:
            self._is_lost = False


def watchdog_period_s(
    environ: Mapping[str, str] = os.environ, pid: int | None = None
) -> float | None:
    """Return how often to feed systemd's watchdog, in seconds; None where it is off."""
    timeout_us = environ.get("WATCHDOG_USEC", "")
    watched = environ.get("WATCHDOG_PID", "")
    if watched and watched != str(os.getpid() if pid is None else pid):
        return None  # meant for the process that started us
    if not timeout_us.isdecimal() or int(timeout_us) == 0:
        return None
    return int(timeout_us) / _MICROSECONDS / _FEEDS_PER_TIMEOUT


class Watchdog:
    """Feeds systemd's watchdog as long as all workers make progress.

    Args:
        workers: returns everything whose hang should end in a restart; called at every check, since
            a part may begin late.
        notifier: sends to systemd.
        period_s: how often to check, and to feed, as of ``watchdog_period_s``; None only logs.
    """

    def __init__(
        self, workers: Callable[[], Sequence[Worker]], notifier: Notifier, period_s: float | None
    ) -> None:
        self._workers = workers
        self._notifier = Notifier(None) if period_s is None else notifier
        self._period_s = _CHECK_S if period_s is None else period_s
        self._due_s = float("-inf")
        self._hanging: tuple[str, ...] = ()
        self._hanging_since_s = 0.0

    def feed_where_due(self, now_s: float) -> None:
        """Feed once in each period; call it several times as often.

        Args:
            now_s: monotonic seconds.
        """
        if now_s >= self._due_s:
            self._due_s = now_s + self._period_s
            self.feed(now_s)

    def feed(self, now_s: float) -> bool:
        """Feed, or name in the status the workers that hang.

        Args:
            now_s: monotonic seconds.

        Returns:
            Whether all workers make progress.
        """
        hanging = tuple(worker.name for worker in self._workers() if worker.is_stuck)
        if hanging != self._hanging:
            self._report(hanging, now_s)
        if hanging:
            return False
        self._notifier.watchdog()
        return True

    def _report(self, hanging: tuple[str, ...], now_s: float) -> None:
        before = self._hanging
        self._hanging = hanging
        if not before:
            self._hanging_since_s = now_s
        if hanging:
            text = f"no progress: {', '.join(hanging)}"
            _LOGGER.error("%s; the watchdog is not fed", text)
        else:
            text = (
                f"progress again after {now_s - self._hanging_since_s:.0f} s: {', '.join(before)}"
            )
            _LOGGER.warning("%s", text)
        self._notifier.status(text)


def _socket_address(address: str) -> str:
    return f"\0{address[1:]}" if address.startswith("@") else address


def _status(text: str) -> str:
    """Return a status line: a line break in it would begin another assignment."""
    return f"STATUS={' '.join(text.split())[:_MAX_STATUS_CHARS]}"
