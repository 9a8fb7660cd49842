"""Greedy and beam search over a plain step function; NumPy only.

Invariant: knows no model. ``step(tokens, state)`` is all it calls, and a state is a tuple of
arrays whose axis 0 is the row, so that a row's history can be copied by indexing. One search
serves one frame on the device and hundreds of pictures in training's evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.errors import ConfigError
from device.vocabulary import END, PAD, START, UNKNOWN

State = tuple[npt.NDArray[np.float32], ...]
Logits = npt.NDArray[np.float32]
Step = Callable[[npt.NDArray[np.int32], State], tuple[Logits, State]]

_NEVER_SAID = [PAD, START, UNKNOWN]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    Attributes:
        beam_width: rows kept per picture; 1 is greedy search.
        max_words: words after which a hypothesis is ended by force.
        length_penalty: alpha of ``log P / length ** alpha`` (Wu et al. 2016, arXiv 1609.08144,
            eq. 14 without its constants); 0 ranks by plain probability.
    """

    beam_width: int = 3
    max_words: int = 20
    length_penalty: float = 0.7

    def __post_init__(self) -> None:
        if self.beam_width < 1:
            raise ConfigError(f"beam width {self.beam_width}: must be at least 1")
        if self.max_words < 1:
            raise ConfigError(f"max words {self.max_words}: must be at least 1")
        if not 0 <= self.length_penalty <= 2:
            raise ConfigError(f"length penalty {self.length_penalty}: must be within 0..2")


@dataclass(frozen=True, slots=True)
class Sequence:
    """One finished hypothesis in ids.

    Attributes:
        ids: word ids without start and end mark.
        log_probability: natural log, of the words and the end mark, <= 0.
        score: ``log_probability / (words + 1) ** length_penalty``.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float


@dataclass(slots=True)
class _Beam:
    """The hypotheses of one picture while they grow."""

    live: list[tuple[int, ...]]
    finished: list[Sequence]
    is_done: bool = False


def log_softmax(logits_rv: Logits) -> Logits:
    """Return natural-log probabilities, float32 [rows, words], of logits of the same shape."""
    shifted = logits_rv - logits_rv.max(axis=-1, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(shifted - normaliser, dtype=np.float32)


def search(
    step: Step, initial_state: State, options: SearchOptions, n_pictures: int = 1
) -> list[list[Sequence]]:
    """Return the best word sequences of each picture, best first.

    Args:
        step: takes int32 [rows] tokens and the state, returns float32 [rows, words] logits and
            the next state; rows = n_pictures * beam_width, a picture's rows side by side.
        initial_state: arrays with ``rows`` on axis 0.
        options: width, length and ranking.
        n_pictures: how many pictures are searched at once.

    Returns:
        For each picture between 1 and beam_width sequences, by falling score.
    """
    width = options.beam_width
    beams = [_Beam([()] * width, []) for _ in range(n_pictures)]
    # Only the first row may grow at the start: the others are copies of it.
    totals_nw = np.full((n_pictures, width), -np.inf, dtype=np.float32)
    totals_nw[:, 0] = 0.0
    tokens_r = np.full(n_pictures * width, START, dtype=np.int32)
    state = initial_state
    for length in range(1, options.max_words + 2):
        logits_rv, state = step(tokens_r, state)
        is_full = length > options.max_words
        candidates = _end_only(logits_rv) if is_full else _best_words(logits_rv, 2 * width)
        parents_r, tokens_r = _grow(beams, totals_nw, candidates, options)
        if all(beam.is_done for beam in beams):
            break
        state = tuple(array[parents_r] for array in state)
    return [sorted(beam.finished, key=lambda s: -s.score)[:width] for beam in beams]


def log_probability(step: Step, initial_state: State, ids: Iterable[int]) -> float:
    """Return the natural-log probability of given words and the end mark, <= 0.

    Args:
        step: as ``search`` takes it.
        initial_state: arrays with one row.
        ids: the words, without start and end mark.
    """
    total, state, token = 0.0, initial_state, START
    for word in (*ids, END):
        logits_rv, state = step(np.array([token], dtype=np.int32), state)
        total += float(log_softmax(logits_rv)[0, word])
        token = word
    return total


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The words that may follow each row: ids and natural-log probabilities, [rows, k]."""

    words_rk: npt.NDArray[np.intp]
    log_probs_rk: Logits


def _best_words(logits_rv: Logits, n_words: int) -> _Candidates:
    """Return each row's likeliest words, best first; all of them where there are fewer.

    Taking the largest a few times is twice as fast as a partition at these sizes (6 of 2500).
    """
    log_probs_rv = log_softmax(logits_rv)
    log_probs_rv[:, _NEVER_SAID] = -np.inf
    n_rows, n_columns = log_probs_rv.shape
    rows, shape = np.arange(n_rows), (n_rows, min(n_words, n_columns))
    words_rk, best_rk = np.empty(shape, np.intp), np.empty(shape, np.float32)
    for k in range(shape[1]):
        words_rk[:, k] = log_probs_rv.argmax(axis=1)
        best_rk[:, k] = log_probs_rv[rows, words_rk[:, k]]
        log_probs_rv[rows, words_rk[:, k]] = -np.inf
    return _Candidates(words_rk, best_rk)


def _end_only(logits_rv: Logits) -> _Candidates:
    """Return the end mark alone, for rows to which no word fits any more."""
    words_r1 = np.full((len(logits_rv), 1), END, dtype=np.intp)
    return _Candidates(words_r1, log_softmax(logits_rv)[:, END : END + 1])


def _grow(
    beams: list[_Beam], totals_nw: Logits, candidates: _Candidates, options: SearchOptions
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """Extend every live hypothesis by one word; ``totals_nw`` and ``beams`` change in place.

    Returns:
        For each row the row whose state it goes on with, and its new token.
    """
    width, n_pictures = options.beam_width, len(beams)
    parents_r = np.arange(n_pictures * width)
    tokens_r = np.full(n_pictures * width, PAD, dtype=np.int32)
    totals_rk = totals_nw.reshape(-1, 1) + candidates.log_probs_rk
    totals_nc = totals_rk.reshape(n_pictures, -1)
    words_nc = candidates.words_rk.reshape(n_pictures, -1)
    n_each = candidates.words_rk.shape[1]
    # Of 2 * width candidates at most width are end marks, so width live ones always remain.
    ranked_nc = np.argsort(-totals_nc, axis=1, kind="stable")[:, : 2 * width]
    for n, beam in enumerate(beams):
        if beam.is_done:
            continue
        ranked = [
            (int(c) // n_each, int(words_nc[n, c]), float(totals_nc[n, c])) for c in ranked_nc[n]
        ]
        chosen = _choose(beam, ranked, options)
        totals_nw[n] = -np.inf
        for slot, (row, word, total) in enumerate(chosen):
            totals_nw[n, slot] = total
            parents_r[n * width + slot] = n * width + row
            tokens_r[n * width + slot] = word
        beam.live = [(*beam.live[row], word) for row, word, _ in chosen]
        beam.is_done = not chosen or len(beam.finished) >= width
    return parents_r, tokens_r


def _choose(
    beam: _Beam, ranked: list[tuple[int, int, float]], options: SearchOptions
) -> list[tuple[int, int, float]]:
    """Move ended candidates to ``beam.finished``; return the live ones: (row, word, total)."""
    chosen: list[tuple[int, int, float]] = []
    for rank, (row, word, total) in enumerate(ranked):
        if total == -np.inf or len(chosen) == options.beam_width:
            break
        if word != END:
            chosen.append((row, word, total))
        elif rank < options.beam_width:  # an end mark below the beam would not have lived
            ids = beam.live[row]
            score = total / (len(ids) + 1) ** options.length_penalty
            beam.finished.append(Sequence(ids, total, score))
    return chosen
