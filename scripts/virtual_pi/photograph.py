"""Writes a photograph as one frame of the virtual Raspberry Pi's camera.

photograph.py FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import skimage

PICTURE = Path(skimage.__file__).parent / "data" / "astronaut.png"
WIDTH_PX, HEIGHT_PX = 640, 480


def main(file: Path) -> None:
    """Cut the picture's middle to the camera's shape and write it as BGR."""
    picture = cv2.imread(str(PICTURE))
    if picture is None:
        raise SystemExit(f"{PICTURE} cannot be read: scripts/setup demo brings it")
    height, width = picture.shape[:2]
    scale = max(WIDTH_PX / width, HEIGHT_PX / height)
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = ((picture.shape[i] - size) // 2 for i, size in ((0, HEIGHT_PX), (1, WIDTH_PX)))
    frame = picture[max(top, 0) :, max(left, 0) :][:HEIGHT_PX, :WIDTH_PX]
    frame = cv2.resize(frame, (WIDTH_PX, HEIGHT_PX))
    frame.tofile(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
