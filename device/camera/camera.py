"""What every camera can do."""

from __future__ import annotations

from typing import Protocol

from device.records import Frame


class Camera(Protocol):
    """Gives frames, one after the other.

    Attributes:
        name: what messages call it; never with a password.
    """

    @property
    def name(self) -> str:
        """What messages call it; never with a password."""

    def read(self) -> Frame:
        """Wait for the next frame and return it: RGB uint8, contiguous, upright.

        Only one thread reads. Waits for the settings' ``read_timeout_s`` at most, and the first
        time for the opening as well.

        Raises:
            CameraError: it could not be opened, is lost, silent or closed.
            EndOfReplay: a recording is over.
        """

    def close(self) -> None:
        """Let the camera go, and a ``read`` that waits; from any thread, as often as you like."""
