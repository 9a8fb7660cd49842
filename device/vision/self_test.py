"""Generated pictures on which a bundle proves itself before its first real caption.

The manifest names one of them, the words that the exporting machine found and how likely they
were there. That likelihood is compared: bytes differ between processors' int8 arithmetic, and by
a hair's breadth so do the words that a search settles on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

N_PATTERNS = 8
# Natural log per word. Between LiteRT 2.3 and tflite-runtime 2.14 it moved by up to 0.025; an
# encoder whose channels are all zero or in disorder moves it by 0.4 and more.
LARGEST_DIFFERENCE = 0.1
_SIZE_PX = 256


def pattern(number: int) -> npt.NDArray[np.uint8]:
    """Return generated picture ``number``, uint8 [256, 256, 3]: shaded ground and a disc.

    Whole-number arithmetic only, so that it is the same on every machine.
    """
    rows, columns = np.indices((_SIZE_PX, _SIZE_PX), dtype=np.int64)
    channels = [
        (rows * (number + 1 + c) + columns * (7 * c + number)) // (3 + c) % (_SIZE_PX // 2) + 64
        for c in range(3)
    ]
    image_hwc = np.stack(channels, axis=-1)
    centre = _SIZE_PX // 4 + 16 * number
    is_disc = (rows - centre) ** 2 + (columns - 128) ** 2 < (30 + 5 * number) ** 2
    image_hwc[is_disc] = (40 * number % _SIZE_PX, 200 - 20 * number, 90)
    return image_hwc.astype(np.uint8)
