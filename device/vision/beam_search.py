"""Greedy and beam search; NumPy only.

Invariant: independent of the model. It only calls ``advance(tokens, parents)``, which returns the
likeliest next words of each row and keeps each row's history. ``search`` keeps the history for a
plain ``step(tokens, state)``, whose state is a tuple of arrays with the row on axis 0. The same
search serves one frame on the device and hundreds of pictures in training's evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import ConfigError
from seealoud.device.vision.vocabulary import END, PAD, SPECIALS, START

State = tuple[npt.NDArray[np.float32], ...]
Logits = npt.NDArray[np.float32]
Step = Callable[[npt.NDArray[np.int32], State], tuple[Logits, State]]
Parents = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Continuations:
    """The likeliest next words of each row.

    Attributes:
        words_rk: integers [rows, k], ids of the k likeliest words, best first; of equally likely
            ones the lower id first. No special marks.
        log_probs_re: float32 [rows, k + 1], their natural-log probabilities, with that of the end
            mark last.
    """

    words_rk: npt.NDArray[np.integer[Any]]
    log_probs_re: npt.NDArray[np.float32]


# Tokens [rows], and for each row the parent row whose history it continues; None at the start.
Advance = Callable[[npt.NDArray[np.int32], Parents | None], Continuations]


_IMPOSSIBLE = float("-inf")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    Attributes:
        beam_width: rows kept per picture; 1 is greedy search.
        max_words: number of words after which a hypothesis is ended.
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
        word_log_probs: of each word and of the end mark; their sum is ``log_probability``.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    word_log_probs: tuple[float, ...] = field(default=(), compare=False)


class _Live(
    NamedTuple
):  # made thirty times a caption; a frozen dataclass takes three times as long
    """A hypothesis while it grows: its words, the natural-log probability of each, and of all."""

    ids: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    total: float = 0.0


@dataclass(slots=True)
class _Beam:
    """The hypotheses of one picture while they grow.

    Attributes:
        live: one for each row in use; a single empty one at the start.
        finished: those that have ended.
        is_done: whether enough have ended.
    """

    live: list[_Live]
    finished: list[Sequence]
    is_done: bool = False


# A continuation of a live hypothesis: natural-log probability of the whole, row in beam, word, and
# the word's own natural-log probability.
_Candidate = tuple[float, int, int, float]


def log_softmax(logits_rv: Logits) -> Logits:
    """Return natural-log probabilities, float32 [rows, words], of logits of the same shape."""
    shifted = logits_rv - logits_rv.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(shifted, dtype=np.float32)


def likeliest(logits_rv: Logits, n_words: int) -> Continuations:
    """Return the likeliest words after each row, for a model that only outputs logits.

    Args:
        logits_rv: float32 [rows, words].
        n_words: how many words of each row, at least one; fewer where there are no more.
    """
    log_probs_rv = log_softmax(logits_rv)
    said_rw = log_probs_rv[:, len(SPECIALS) :]
    k = min(n_words, said_rw.shape[1])
    least_r1 = np.partition(said_rw, -k, axis=1)[:, -k, None]
    rows_n, words_n = np.nonzero(said_rw >= least_r1)  # k a row, or more where some are equal
    # Stable: row by row, the likeliest first, then as they come.
    order_n = np.lexsort((-said_rw[rows_n, words_n], rows_n))
    first_r = np.searchsorted(rows_n, np.arange(len(said_rw)))
    words_rk = words_n[order_n[first_r[:, None] + np.arange(k)]]
    log_probs_rk = np.take_along_axis(said_rw, words_rk, axis=1)
    log_probs_re = np.concatenate([log_probs_rk, log_probs_rv[:, END, None]], axis=1)
    return Continuations(words_rk + len(SPECIALS), log_probs_re)


def search(
    step: Step, initial_state: State, options: SearchOptions, n_pictures: int = 1
) -> list[list[Sequence]]:
    """Return the best word sequences of each picture, best first; see ``search_rows``.

    Args:
        step: takes int32 [rows] tokens and the state, returns float32 [rows, words] logits and
            the next state; rows = n_pictures * beam_width, a picture's rows side by side.
        initial_state: arrays with ``rows`` on axis 0.
        options: width, length and ranking.
        n_pictures: how many pictures are searched at once.
    """
    state = initial_state

    def advance(tokens_r: npt.NDArray[np.int32], parents_r: Parents | None) -> Continuations:
        nonlocal state
        if parents_r is not None:
            state = tuple(array[parents_r] for array in state)
        logits_rv, state = step(tokens_r, state)
        return likeliest(logits_rv, options.beam_width)

    return search_rows(advance, options, n_pictures)


def search_rows(
    advance: Advance, options: SearchOptions, n_pictures: int = 1
) -> list[list[Sequence]]:
    """Return the best word sequences of each picture, best first.

    Args:
        advance: takes int32 [rows] tokens and the rows [rows] whose histories they continue,
            returns at least the beam_width likeliest words of each row (more than that of one
            row cannot survive); rows = n_pictures * beam_width, a picture's rows side by side.
        options: width, length and ranking.
        n_pictures: how many pictures are searched at once.

    Returns:
        For each picture between 1 and beam_width sequences, by falling score.
    """
    width = options.beam_width
    beams = [_Beam([_Live()], []) for _ in range(n_pictures)]
    tokens_r, parents_r = np.full(n_pictures * width, START, dtype=np.int32), None
    for length in range(1, options.max_words + 2):
        found = advance(tokens_r, parents_r)
        words, log_probs = found.words_rk.tolist(), found.log_probs_re.tolist()
        is_full = length > options.max_words
        # Rows that are not in use continue themselves, and their results are not read.
        parents, tokens = list(range(n_pictures * width)), [PAD] * (n_pictures * width)
        for n, beam in enumerate(beams):
            if beam.is_done:
                continue
            first = n * width
            rows = slice(first, first + width)
            ranked = _ranked(beam.live, words[rows], log_probs[rows], is_full=is_full)
            for slot, (_, row, word, _) in enumerate(_grow(beam, ranked, options), start=first):
                parents[slot], tokens[slot] = first + row, word
        if all(beam.is_done for beam in beams):
            break
        parents_r, tokens_r = np.array(parents, dtype=np.intp), np.array(tokens, dtype=np.int32)
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


def _ranked(
    live: list[_Live], words: list[list[int]], log_probs: list[list[float]], *, is_full: bool
) -> list[_Candidate]:
    """Return a picture's possible continuations, the likeliest first.

    Args:
        live: the hypotheses.
        words: the likeliest after each of them.
        log_probs: of these words, and of the end mark.
        is_full: whether the longest caption is reached.
    """
    candidates: list[_Candidate] = []
    for row, hypothesis in enumerate(live):
        *of_words, of_end = log_probs[row]
        candidates.append((hypothesis.total + of_end, row, END, of_end))
        if not is_full:
            for word, of_word in zip(words[row], of_words, strict=True):
                candidates.append((hypothesis.total + of_word, row, word, of_word))
    # Sorting is stable: equally likely ones stay in the order of rows and words.
    possible = [candidate for candidate in candidates if candidate[0] > _IMPOSSIBLE]
    return sorted(possible, key=lambda candidate: -candidate[0])


def _grow(beam: _Beam, ranked: list[_Candidate], options: SearchOptions) -> list[_Candidate]:
    """Extend a picture's hypotheses by one word; return the survivors, in their new rows."""
    chosen: list[_Candidate] = []
    for rank, candidate in enumerate(ranked):
        total, row, word, log_prob = candidate
        if len(chosen) == options.beam_width:
            break
        if word != END:
            chosen.append(candidate)
        elif rank < options.beam_width:  # an end mark ranked below the beam is dropped
            ended = beam.live[row]
            score = total / (len(ended.ids) + 1) ** options.length_penalty
            each = (*ended.log_probs, log_prob)
            beam.finished.append(Sequence(ended.ids, total, score, each))
    beam.live = [
        _Live((*beam.live[row].ids, word), (*beam.live[row].log_probs, log_prob), total)
        for total, row, word, log_prob in chosen
    ]
    beam.is_done = not chosen or len(beam.finished) >= options.beam_width
    return chosen
