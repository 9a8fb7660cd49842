"""The little that is asked of a driver: fetch a frame, decode it, let go."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Capture(Protocol):
    """An open camera; all calls come from one thread, and may block for as long as it likes."""

    def grab(self) -> bool:
        """Wait for the next frame and keep it undecoded; False where none came."""

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        """Return the kept frame, uint8 [height, width, 3], BGR; None where it was damaged."""

    def release(self) -> None:
        """Give the camera back."""
