"""The tiny bundle's rules in NumPy: what its two models must compute, without TensorFlow.

It names a picture's colours: "a red picture", "a dark picture", "a red and blue picture". All its
numbers are made up here, so that every answer and every probability is known. ``make_tiny_bundle``
exports the same rules as TFLite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import END, PAD, START, UNKNOWN, Vocabulary

SIZE_PX = 32
CELL_PX = 16  # the grid is 2 x 2
N_CELLS = (SIZE_PX // CELL_PX) ** 2
# As EfficientNet-Lite's. Neither is 0 or 1, so that leaving one out shows.
MEAN, SCALE = 127.5, 127.5
CHANNELS = ("red", "green", "blue", "light")  # each 0..1
BEAM_WIDTH = 3
MAX_WORDS = 6
LENGTH_PENALTY = 0.7

VOCABULARY = Vocabulary.from_words(
    ["a", "red", "green", "blue", "dark", "bright", "and", "picture"]
)
N_WORDS = len(VOCABULARY)
A, RED, GREEN, BLUE, DARK, BRIGHT, AND, PICTURE = range(4, N_WORDS)
COLOURS = (RED, GREEN, BLUE)

Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
_HARDLY = -9.0  # logit of what the rules do not foresee

# A pixel's channels from normalised RGB, -1..1: [RGB, channels] and [channels].
PIXEL_WEIGHTS = np.array(
    [[1 / 2, 0, 0, 1 / 6], [0, 1 / 2, 0, 1 / 6], [0, 0, 1 / 2, 1 / 6]], np.float32
)
PIXEL_BIAS = np.full(len(CHANNELS), 1 / 2, np.float32)

# What a picture's mean channels add to the logits of words: [channels, words] and [words].
SEEN_WEIGHTS = np.zeros((len(CHANNELS), N_WORDS), np.float32)
SEEN_WEIGHTS[[0, 1, 2], COLOURS] = 8
SEEN_WEIGHTS[3, BRIGHT] = 24
SEEN_BIAS = np.zeros(N_WORDS, np.float32)
SEEN_BIAS[BRIGHT] = -14
SEEN_BIAS[AND] = 6
# Where one colour fills more than this much of the picture, there is no "and".
FULL = 0.75
FULL_WEIGHTS = np.zeros((len(CHANNELS), N_WORDS), np.float32)
FULL_WEIGHTS[:3, AND] = -24

# What a word adds to the logits of the next one: [words, words].
FOLLOWS = np.full((N_WORDS, N_WORDS), _HARDLY, np.float32)
FOLLOWS[START, [A, *COLOURS, DARK]] = (0, 0, -0.25, -0.5, -1)
FOLLOWS[A, [*COLOURS, BRIGHT]] = (0, -0.25, -0.5, 0)  # no two captions are equally likely
FOLLOWS[A, DARK] = 3
FOLLOWS[A, UNKNOWN] = 2  # likely and never said
FOLLOWS[COLOURS, PICTURE] = 4
FOLLOWS[COLOURS, AND] = 0
FOLLOWS[COLOURS, END] = -3
FOLLOWS[[DARK, BRIGHT], PICTURE] = 4
FOLLOWS[[DARK, BRIGHT], END] = 0
FOLLOWS[AND, RED : BLUE + 1] = (0, -0.25, -0.5)
FOLLOWS[PICTURE, END] = 5
FOLLOWS[PICTURE, A] = 0
FOLLOWS[:, [PAD, START]] = _HARDLY

# What the number of words so far adds: [steps, words]. Only at the very start "a" is forced.
POSITION = np.zeros((MAX_WORDS + 1, N_WORDS), np.float32)
POSITION[0, A] = 12

SAID_AGAIN = -10.0  # added to the logit of a word that was said already

# The best caption of a picture of one colour, and its natural-log probability by these rules.
KNOWN = {
    (255, 0, 0): ("a red picture", -0.0469),
    (0, 255, 0): ("a green picture", -0.0457),
    (0, 0, 255): ("a blue picture", -0.0462),
    (255, 255, 255): ("a bright picture", -0.3687),
    (0, 0, 0): ("a dark picture", -0.4176),
}
KNOWN_RED_AND_BLUE = ("a red and blue picture", -0.3728)
# What the encoder's rounding to one of 256 levels may move a log-probability by.
QUANTIZATION_TOLERANCE = 0.03


def plain(colour: Sequence[int], height_px: int = 48, width_px: int = 64) -> Image:
    """Return a picture of one colour, uint8 [height, width, 3], RGB."""
    return np.full((height_px, width_px, 3), colour, np.uint8)


def red_and_blue(height_px: int = 48, width_px: int = 64) -> Image:
    """Return a red picture whose last quarter, at the bottom right, is blue."""
    image_hwc = plain((255, 0, 0), height_px, width_px)
    image_hwc[height_px // 2 :, width_px // 2 :] = (0, 0, 255)
    return image_hwc


def features(square_hwc: Image) -> Array:
    """Return what the encoder computes, float32 [cells, channels]."""
    normalised = (square_hwc.astype(np.float32) - MEAN) / SCALE
    channels_hwc = normalised @ PIXEL_WEIGHTS + PIXEL_BIAS
    side = SIZE_PX // CELL_PX
    cells = channels_hwc.reshape(side, CELL_PX, side, CELL_PX, len(CHANNELS)).mean(axis=(1, 3))
    return np.asarray(cells.reshape(N_CELLS, len(CHANNELS)), np.float32)


def seen(features_sc: Array) -> Array:
    """Return what ``prepare`` computes, float32 [1, words]."""
    mean_1c = features_sc.mean(axis=0, keepdims=True)
    too_much_1c = np.maximum(mean_1c - FULL, 0)
    return np.asarray(mean_1c @ SEEN_WEIGHTS + too_much_1c @ FULL_WEIGHTS + SEEN_BIAS, np.float32)


def initial_state(n_rows: int) -> tuple[Array, Array]:
    """Return the number of words so far [rows, 1] and which they were [rows, words]."""
    return np.zeros((n_rows, 1), np.float32), np.zeros((n_rows, N_WORDS), np.float32)


def step(
    seen_1v: Array, tokens_r: npt.NDArray[np.int32], state: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...]]:
    """Return what ``decode`` computes: float32 [rows, words] logits and the next state."""
    count_r1, said_rv = state
    said_rv = said_rv + np.eye(N_WORDS, dtype=np.float32)[tokens_r]
    position_rv = POSITION[count_r1[:, 0].astype(int)]
    logits_rv = FOLLOWS[tokens_r] + position_rv + seen_1v + SAID_AGAIN * said_rv
    return logits_rv, (count_r1 + 1, said_rv)
