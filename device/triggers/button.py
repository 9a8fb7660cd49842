"""A button at a GPIO pin; the only module that knows gpiozero.

gpiozero calls back from a thread of its own, which is only used to note the edge: an exception or a
delay there would cost edges. Its ``bounce_time`` is not used: mock pins ignore it, and lgpio's
holds the first edge back. Never fork after a pin was opened.
"""

from __future__ import annotations

import logging
import os
import queue
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from device.errors import TriggerError
from device.records import Cause
from device.triggers.press import PressClassifier
from device.triggers.presses import PressActions
from device.triggers.settings import ButtonSettings
from device.triggers.trigger import Feedback, Target
from device.worker import Worker

_LOGGER = logging.getLogger(__name__)
_IDLE_S = 0.5
_JOIN_TIMEOUT_S = 2.0
_INSTALL = "sudo apt install python3-lgpio, and pip install gpiozero into SeeAloud's environment"
_Edge = tuple[bool, float]


class Pin(Protocol):
    """The part of gpiozero's ``DigitalInputDevice`` that is used."""

    when_activated: Any
    when_deactivated: Any

    @property
    def is_active(self) -> bool:
        """Whether the button is pressed now."""

    def close(self) -> None:
        """Let go of the pin; may be repeated."""


def open_pin(
    settings: ButtonSettings, pin_factory: Any = None, lg_folder: Path | None = None
) -> Pin:
    """Return the button's pin, as an input.

    Args:
        settings: which, and how it is wired.
        pin_factory: gpiozero's way to the pins; the machine's best one by default.
        lg_folder: where lgpio may write, for it cannot do without.

    Raises:
        TriggerError: there is no pin, no GPIO, no permission, or the pin is in use.
    """
    if settings.pin is None:
        raise TriggerError("there is no button: set triggers.button.pin")
    if lg_folder is not None:
        _let_lgpio_write_to(lg_folder)
    try:
        import gpiozero
    except ImportError as exc:
        raise TriggerError(f"the button needs gpiozero: {_INSTALL}") from exc
    pull_up = {"up": True, "down": False, "none": None}[settings.pull]
    active_high = settings.active == "high" if pull_up is None else None
    try:
        with warnings.catch_warnings():
            # It warns of every library that is not there before it takes the one that is.
            warnings.simplefilter("ignore")
            pin: Pin = gpiozero.DigitalInputDevice(
                settings.pin, pull_up=pull_up, active_state=active_high, pin_factory=pin_factory
            )
    except gpiozero.BadPinFactory as exc:
        raise TriggerError(
            f"GPIO {settings.pin} cannot be used: no way to this machine's pins ({exc}); on a "
            f"Raspberry Pi: {_INSTALL}; elsewhere take triggers.button.pin out"
        ) from exc
    except gpiozero.GPIOPinInUse as exc:
        raise TriggerError(
            f"GPIO {settings.pin} is in use by another part: set triggers.button.pin to another one"
        ) from exc
    except Exception as exc:  # each of its libraries raises errors of its own
        raise TriggerError(
            f"GPIO {settings.pin} cannot be used: {exc}; is it a pin of this machine, used by "
            "nobody else (gpioinfo), and are you in the group gpio (sudo usermod -aG gpio $USER)?"
        ) from exc
    return pin


def _let_lgpio_write_to(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as exc:
        raise TriggerError(
            f"the button's library cannot write to {folder}: {exc.strerror}; set $LG_WD to a "
            "folder where it can"
        ) from exc
    os.environ.setdefault("LG_WD", str(folder))


class ButtonTrigger:
    """See ``device.triggers.trigger.Trigger``.

    Args:
        settings: the pin and what its presses do.
        target: where requests go.
        feedback: the sounds of a press.
        pin_factory: as in ``open_pin``.
        lg_folder: as in ``open_pin``.
    """

    def __init__(
        self,
        settings: ButtonSettings,
        target: Target,
        feedback: Feedback,
        pin_factory: Any = None,
        lg_folder: Path | None = None,
    ) -> None:
        self._settings, self._pin_factory, self._lg_folder = settings, pin_factory, lg_folder
        self._presses = PressClassifier(settings.timing)
        self._actions = PressActions(settings, Cause.BUTTON, target, feedback)
        self._edges: queue.SimpleQueue[_Edge | None] = queue.SimpleQueue()
        self._worker = Worker("button", self._step, target.give_up, wake=self._wake)
        self._pin: Pin | None = None

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that watches the pin; empty before ``start``."""
        return () if self._pin is None else (self._worker,)

    def start(self) -> None:
        """Watch the pin; a button that is held already counts from its next press.

        Raises:
            TriggerError: as in ``open_pin``.
        """
        pin = open_pin(self._settings, self._pin_factory, self._lg_folder)
        pin.when_activated, pin.when_deactivated = self._note_down, self._note_up
        self._pin = pin
        self._worker.start()
        if pin.is_active:
            _LOGGER.warning(
                "GPIO %s is pressed already at the start: a stuck button, or the wrong pull?",
                self._settings.pin,
            )
        _LOGGER.info("button: GPIO %s is watched", self._settings.pin)

    def close(self) -> None:
        """Let go of the pin; may be repeated."""
        pin, self._pin = self._pin, None
        if pin is None:
            return
        with suppress(OSError):  # the chip itself may be gone
            pin.close()
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("button: still busy %g s after the stop", _JOIN_TIMEOUT_S)

    def _note_down(self) -> None:
        self._edges.put((True, time.monotonic()))

    def _note_up(self) -> None:
        self._edges.put((False, time.monotonic()))

    def _wake(self) -> None:
        self._edges.put(None)

    def _step(self) -> None:
        wait_s = min(_IDLE_S, self._presses.deadline_s - time.monotonic())
        try:
            edge = self._edges.get(timeout=max(0.0, wait_s))
        except queue.Empty:
            self._actions.carry_out(self._presses.poll(time.monotonic()))
            return
        if edge is not None:
            is_down, at_s = edge
            presses = self._presses
            self._actions.carry_out(presses.down(at_s) if is_down else presses.up(at_s))
