"""Generated pictures that no photograph resembles, to measure how many of them are refused.

Nothing is chosen by them: the threshold comes from photographs alone. The same seed makes the same
pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.vision.bundle import N_PATTERNS, pattern

Image = npt.NDArray[np.uint8]

N_EACH = 20
_HEIGHT_PX, _WIDTH_PX = 480, 640
_WORDS = ("invoice", "total", "chapter", "page", "the", "quick", "over", "lazy", "results", "and")


def odd_pictures(seed: int = 0) -> Mapping[str, list[Image]]:
    """Return ``N_EACH`` uint8 RGB pictures of each sort, and the self-test's patterns."""
    makers: dict[str, Callable[[np.random.Generator], Image]] = {
        "noise": _noise,
        "coloured clouds": _clouds,
        "one colour": lambda rng: np.full((_HEIGHT_PX, _WIDTH_PX, 3), rng.integers(0, 256, 3)),
        "colour gradient": _gradient,
        "stripes and checks": _checks,
        "drawn shapes": _shapes,
        "page of text": _page,
        "screenshot": _screenshot,
    }
    rng = np.random.default_rng(seed)
    made = {
        name: [np.ascontiguousarray(make(rng), np.uint8) for _ in range(N_EACH)]
        for name, make in makers.items()
    }
    return {**made, "self-test pattern": [pattern(number) for number in range(N_PATTERNS)]}


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _place(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(0, _WIDTH_PX)), int(rng.integers(0, _HEIGHT_PX))


def _noise(rng: np.random.Generator) -> Image:
    return rng.integers(0, 256, (_HEIGHT_PX, _WIDTH_PX, 3), np.uint8)


def _clouds(rng: np.random.Generator) -> Image:
    coarse = rng.integers(0, 256, (*rng.integers(3, 20, 2), 3), np.uint8)
    smooth = cv2.resize(coarse, (_WIDTH_PX, _HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.uint8)


def _gradient(rng: np.random.Generator) -> Image:
    first, last = rng.integers(0, 256, (2, 3))
    share = np.linspace(0, 1, _WIDTH_PX)[None, :, None]
    row = (first * (1 - share) + last * share).astype(np.uint8)
    return np.array(np.broadcast_to(row, (_HEIGHT_PX, _WIDTH_PX, 3)), np.uint8)


def _checks(rng: np.random.Generator) -> Image:
    side_px = int(rng.integers(8, 80))
    rows, columns = np.indices((_HEIGHT_PX, _WIDTH_PX)) // side_px
    is_first = (columns + rows * int(rng.integers(0, 2))) % 2 == 0
    first, second = rng.integers(0, 256, (2, 3))
    return np.asarray(np.where(is_first[..., None], first, second), np.uint8)


def _shapes(rng: np.random.Generator) -> Image:
    image = np.full((_HEIGHT_PX, _WIDTH_PX, 3), _colour(rng), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        if rng.random() < 0.5:
            cv2.circle(image, _place(rng), int(rng.integers(20, 180)), _colour(rng), -1)
        else:
            cv2.rectangle(image, _place(rng), _place(rng), _colour(rng), -1)
    return image


def _page(rng: np.random.Generator) -> Image:
    image = np.full((_HEIGHT_PX, _WIDTH_PX, 3), rng.integers(225, 256), np.uint8)
    size = float(rng.uniform(0.35, 0.8))
    for baseline in range(30, _HEIGHT_PX - 10, int(size * 45)):
        _write(image, rng, (20, baseline), int(rng.integers(4, 14)), size, (20, 20, 20))
    return image


def _screenshot(rng: np.random.Generator) -> Image:
    ground, ink = ((30,) * 3, (220,) * 3) if rng.random() < 0.5 else ((245,) * 3, (30,) * 3)
    image = np.full((_HEIGHT_PX, _WIDTH_PX, 3), ground, np.uint8)
    cv2.rectangle(image, (0, 0), (_WIDTH_PX, 28), _colour(rng), -1)
    for _ in range(int(rng.integers(4, 14))):
        left, top = _place(rng)
        if rng.random() < 0.4:
            corner = (left + int(rng.integers(60, 200)), top + int(rng.integers(20, 90)))
            cv2.rectangle(image, (left, top), corner, _colour(rng), -1 if rng.random() < 0.5 else 1)
        _write(image, rng, (left, top), 3, 0.45, ink)
    return image


def _write(
    image: Image,
    rng: np.random.Generator,
    place: tuple[int, int],
    n_words: int,
    size: float,
    colour: tuple[int, ...],
) -> None:
    text = " ".join(rng.choice(_WORDS, n_words))
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
