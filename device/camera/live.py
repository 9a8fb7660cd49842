"""A camera that delivers frames whether they are read or not: USB, Raspberry Pi, network stream.

Drivers block when they like, cannot be interrupted from outside and hand out buffered frames after
a pause. So a thread fetches all the time and keeps the newest; a ``read`` waits here, with a
timeout, and ends at once when the camera is closed.

Invariants: only that thread touches the driver, and it releases the camera as soon as the driver
lets it; a frame is given once, and its time is the moment at which it came from the driver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seealoud.device.camera.camera import Flip, orient
from seealoud.device.camera.drivers import OpenCvCapture, PicameraCapture
from seealoud.device.camera.stream import JpegStream
from seealoud.device.clock import Clock
from seealoud.device.errors import CameraError, PictureError
from seealoud.device.records import Frame

# Webcams pause for up to two seconds when they change their exposure, and Wi-Fi cameras when they
# roam; a camera that is silent for longer is opened again.
READ_TIMEOUT_S = 5.0
# A bad cable or Wi-Fi damages one picture after the other for a second or two and recovers.
_DAMAGED_AFTER_S = 3.0
_RETRY_S = 0.02
_RELEASE_WAIT_S = 0.5
# Frames come a little early or late: one is due when nearly a whole period has passed.
_DUE = 0.9

# All calls of a driver come from one thread and may block without a limit.
Driver = OpenCvCapture | PicameraCapture | JpegStream


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live camera is read.

    Attributes:
        rate_hz: frames above this rate are fetched, but neither decoded nor given.
        read_timeout_s: longest wait for a frame that is due, in seconds; opening may take as long
            once more.
        lost_after_s: a driver that fails without a pause for so long has lost its camera.
        damaged_after_s: a camera that gives only damaged pictures for so long is lost.
        rotation_deg: clockwise.
        flip: the mirroring after it.
    """

    rate_hz: float = 10.0
    read_timeout_s: float = READ_TIMEOUT_S
    lost_after_s: float = 1.0
    damaged_after_s: float = _DAMAGED_AFTER_S
    rotation_deg: int = 0
    flip: Flip = Flip.NONE


@dataclass(frozen=True, slots=True)
class _Fetched:
    bgr_hwc: npt.NDArray[np.uint8]
    frame_of: Callable[[npt.NDArray[np.uint8]], Frame]


class LiveCamera:
    """A ``Camera`` around a driver, opened in the background; ``read`` raises where that failed.

    Args:
        name: for messages, without a password.
        open_capture: opens the driver; raises CameraError.
        clock: the time.
        options: how it is read.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Driver],
        clock: Clock,
        options: LiveOptions = LiveOptions(),
    ) -> None:
        self._name = name
        self._open_capture = open_capture
        self._clock = clock
        self._options = options
        self._changed = threading.Condition()
        self._fetched: _Fetched | None = None
        self._error: CameraError | None = None
        self._is_open = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"fetch {name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._name

    def read(self) -> Frame:
        """Wait for a frame that was not given yet and return it.

        Raises:
            CameraError: it could not be opened, is lost, silent or closed.
        """
        fetched = self._wait()
        rgb_hwc = fetched.bgr_hwc[:, :, ::-1]
        return fetched.frame_of(orient(rgb_hwc, self._options.rotation_deg, self._options.flip))

    def close(self) -> None:
        """Release the camera; waits half a second for the driver, which may take longer."""
        with self._changed:
            self._is_closed = True
            self._fetched = None
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(_RELEASE_WAIT_S)

    # ------------------------------------------------------------ who reads

    def _wait(self) -> _Fetched:
        timeout_s = self._options.read_timeout_s
        period_s = 1 / self._options.rate_hz
        with self._changed:
            opening_s = 0.0 if self._is_open else timeout_s
            self._changed.wait_for(self._has_news, timeout_s + opening_s + period_s)
            fetched, self._fetched = self._fetched, None
            if self._is_closed:
                raise CameraError(f"{self._name} was closed")
            if fetched is not None:
                return fetched
            if self._error is not None:
                # A new one each time: an exception that is raised twice grows its traceback.
                raise CameraError(str(self._error)) from self._error
            if not self._is_open:
                raise CameraError(
                    f"{self._name} does not open within {timeout_s + opening_s:g} s: unplug and "
                    "replug it, or check that its server answers"
                )
        raise CameraError(
            f"{self._name} gave no frame for {timeout_s:g} s: unplug and replug it, "
            "or close the program that uses it"
        )

    def _has_news(self) -> bool:
        return self._is_closed or self._fetched is not None or self._error is not None

    # ------------------------------------------------------------ the thread that fetches

    def _run(self) -> None:
        try:
            capture = self._open_capture()
        except CameraError as exc:
            self._fail(exc)
            return
        except Exception as exc:  # noqa: BLE001 - any error of a driver is raised by read
            self._fail(CameraError(f"{self._name} cannot be opened: {exc}"))
            return
        try:
            with self._changed:
                self._is_open = True
            self._fetch(capture)
        except CameraError as exc:
            self._fail(CameraError(f"{self._name} is lost: {exc}"))
        except Exception as exc:  # noqa: BLE001 - as above
            self._fail(CameraError(f"{self._name} is lost: {exc}"))
        finally:
            capture.release()

    def _fetch(self, capture: Driver) -> None:
        """Keep the newest frame until the camera is closed or lost."""
        period_s = _DUE / self._options.rate_hz
        good_s, due_s = time.monotonic(), 0.0
        gone = "opened but gives no frame: end the program that uses it, or replug it"
        while not self._is_closed:
            is_grabbed = capture.grab()
            now_s = time.monotonic()
            stamp = self._stamp()
            if is_grabbed and now_s < due_s:
                good_s = now_s
                continue
            try:
                bgr_hwc = capture.retrieve() if is_grabbed else None
            except PictureError as exc:
                if now_s - good_s > self._options.damaged_after_s:
                    self._fail(self._damaged(exc))
                    return
                time.sleep(_RETRY_S)
                continue
            if bgr_hwc is not None and bgr_hwc.size:
                good_s, due_s = now_s, now_s + period_s
                gone = "gives no frames any more: plug it in again"
                self._keep(_Fetched(bgr_hwc, stamp))
            elif now_s - good_s > self._options.lost_after_s:
                self._fail(CameraError(f"{self._name} {gone}"))
                return
            else:  # an unplugged camera fails at once and for ever: do not spin
                time.sleep(_RETRY_S)

    def _damaged(self, reason: PictureError) -> CameraError:
        return CameraError(
            f"{self._name} gives only damaged pictures ({reason}): check its cable or its Wi-Fi, "
            "and its power supply"
        )

    def _stamp(self) -> Callable[[npt.NDArray[np.uint8]], Frame]:
        """Return what makes a frame of this moment of a picture."""
        captured_at, captured_s = self._clock.utc(), self._clock.now_s()
        return lambda image_hwc: Frame(image_hwc, self._name, captured_at, captured_s)

    def _keep(self, fetched: _Fetched) -> None:
        with self._changed:
            if not self._is_closed:
                self._fetched = fetched
                self._changed.notify_all()

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
