"""A button at a GPIO pin; the only module that knows gpiozero.

The callbacks in gpiozero's own thread only queue the edges: an exception or a delay there would
lose edges. Its ``bounce_time`` is not used: mock pins ignore it, and lgpio's delays the first
edge. Never fork after a pin has been opened.
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
from typing import TYPE_CHECKING, Any

from seealoud.device.errors import TriggerError
from seealoud.device.records import Cause
from seealoud.device.triggers.press import USUAL_TIMING, PlaySound, PressActions, PressTiming
from seealoud.device.triggers.settings import ButtonSettings
from seealoud.device.triggers.trigger import Target
from seealoud.device.worker import Worker

if TYPE_CHECKING:
    from gpiozero import DigitalInputDevice

_LOGGER = logging.getLogger(__name__)
_IDLE_S = 0.5
_JOIN_TIMEOUT_S = 2.0
_INSTALL = "sudo apt install python3-lgpio, and pip install gpiozero into SeeAloud's environment"
_Edge = tuple[bool, float]


def open_pin(
    settings: ButtonSettings, pin_factory: Any = None, lg_folder: Path | None = None
) -> DigitalInputDevice:
    """Return the button's pin, as an input.

    Args:
        settings: the pin, and how it is wired.
        pin_factory: that of gpiozero; the default is the best one of the machine.
        lg_folder: a folder for lgpio's files, which it needs.

    Raises:
        TriggerError: no pin is set, there is no GPIO or no permission, or the pin is in use.
    """
    if settings.pin is None:
        raise TriggerError("no button is configured: set triggers.button.pin")
    if lg_folder is not None:
        _set_lgpio_folder(lg_folder)
    try:
        import gpiozero
    except ImportError as exc:
        raise TriggerError(f"the button needs gpiozero: {_INSTALL}") from exc
    pull_up = {"up": True, "down": False, "none": None}[settings.pull]
    active_high = settings.active == "high" if pull_up is None else None
    try:
        with warnings.catch_warnings():
            # gpiozero warns about each missing library before it uses an installed one.
            warnings.simplefilter("ignore")
            return gpiozero.DigitalInputDevice(
                settings.pin, pull_up=pull_up, active_state=active_high, pin_factory=pin_factory
            )
    except gpiozero.BadPinFactory as exc:
        raise TriggerError(
            f"GPIO {settings.pin} cannot be used: no library gives access to the pins ({exc}); on "
            f"a Raspberry Pi: {_INSTALL}; on other machines remove triggers.button.pin"
        ) from exc
    except gpiozero.GPIOPinInUse as exc:
        raise TriggerError(
            f"GPIO {settings.pin} is already in use: set triggers.button.pin to another one"
        ) from exc
    except Exception as exc:  # each pin library raises its own errors
        raise TriggerError(
            f"GPIO {settings.pin} cannot be used: {exc}; does this machine have that pin, is "
            "it free (gpioinfo), and are you in the group gpio (sudo usermod -aG gpio $USER)?"
        ) from exc


def _set_lgpio_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as exc:
        raise TriggerError(
            f"the button's library cannot write to {folder}: {exc.strerror}; set $LG_WD to a "
            "folder where it can"
        ) from exc
    os.environ.setdefault("LG_WD", str(folder))


class ButtonTrigger:
    """A ``seealoud.device.triggers.trigger.Trigger`` for a button at a GPIO pin.

    Args:
        settings: the pin, and the actions of its presses.
        target: where requests go.
        play_sound: plays the sounds of a press.
        timing: the limits between the kinds of presses.
        pin_factory: as in ``open_pin``.
        lg_folder: as in ``open_pin``.
    """

    def __init__(
        self,
        settings: ButtonSettings,
        target: Target,
        play_sound: PlaySound,
        timing: PressTiming = USUAL_TIMING,
        *,
        pin_factory: Any = None,
        lg_folder: Path | None = None,
    ) -> None:
        self._settings = settings
        self._pin_factory = pin_factory
        self._lg_folder = lg_folder
        self._presses = PressActions(settings, Cause.BUTTON, target, play_sound, timing)
        self._edges: queue.SimpleQueue[_Edge | None] = queue.SimpleQueue()
        self._worker = Worker("button", self._step, target.give_up, wake=self._wake)
        self._pin: DigitalInputDevice | None = None

    @property
    def workers(self) -> Sequence[Worker]:
        """The thread that watches the pin; empty before ``start``."""
        return () if self._pin is None else (self._worker,)

    def start(self) -> None:
        """Watch the pin; a button that is already held is ignored until its next press.

        Raises:
            TriggerError: as in ``open_pin``.
        """
        pin = open_pin(self._settings, self._pin_factory, self._lg_folder)
        pin.when_activated = self._note_down
        pin.when_deactivated = self._note_up
        self._pin = pin
        self._worker.start()
        if pin.is_active:
            _LOGGER.warning(
                "GPIO %s is already active at the start: is the button stuck, or `pull` wrong?",
                self._settings.pin,
            )
        _LOGGER.info("button: watching GPIO %s", self._settings.pin)

    def close(self) -> None:
        """Free the pin; may be called again."""
        pin, self._pin = self._pin, None
        if pin is None:
            return
        with suppress(OSError):  # the GPIO chip may have disappeared
            pin.close()
        self._worker.request_stop()
        if not self._worker.join(_JOIN_TIMEOUT_S):
            _LOGGER.error("button: the thread is still busy %g s after the stop", _JOIN_TIMEOUT_S)

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
            self._presses.poll()
            return
        if edge is not None:
            self._presses.change(*edge)
