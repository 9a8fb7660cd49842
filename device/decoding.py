"""Greedy and beam search; NumPy only.

Invariant: knows no model. ``advance(tokens, parents)`` is all it calls; whoever answers keeps
each row's history. ``search`` keeps it for a plain ``step(tokens, state)``, whose state is a tuple
of arrays with the row on axis 0. One search serves one frame on the device and hundreds of
pictures in training's evaluation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from device.errors import ConfigError
from device.vocabulary import END, PAD, START, UNKNOWN

State = tuple[npt.NDArray[np.float32], ...]
Logits = npt.NDArray[np.float32]
Step = Callable[[npt.NDArray[np.int32], State], tuple[Logits, State]]
Parents = npt.NDArray[np.intp]
# Tokens [rows], and for each row the row whose history it goes on with; None before the first word.
Advance = Callable[[npt.NDArray[np.int32], Parents | None], Logits]

_PART_SIZE = 16


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
        word_log_probs: of each word and of the end mark; their sum is ``log_probability``.
    """

    ids: tuple[int, ...]
    log_probability: float
    score: float
    word_log_probs: tuple[float, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class _Beam:
    """The hypotheses of one picture while they grow.

    Attributes:
        live: words of each row so far.
        totals: natural-log probability of each row after each of its words.
        finished: those that have ended.
        is_done: whether enough have.
    """

    live: list[tuple[int, ...]]
    totals: list[tuple[float, ...]]
    finished: list[Sequence]
    is_done: bool = False


# A continuation of a live hypothesis: natural-log probability of the whole, row in beam, word.
_Candidate = tuple[float, int, int]


def log_softmax(logits_rv: Logits) -> Logits:
    """Return natural-log probabilities, float32 [rows, words], of logits of the same shape."""
    shifted = logits_rv - logits_rv.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(shifted, dtype=np.float32)


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

    def advance(tokens_r: npt.NDArray[np.int32], parents_r: Parents | None) -> Logits:
        nonlocal state
        if parents_r is not None:
            state = tuple(array[parents_r] for array in state)
        logits_rv, state = step(tokens_r, state)
        return logits_rv

    return search_rows(advance, options, n_pictures)


def search_rows(
    advance: Advance, options: SearchOptions, n_pictures: int = 1
) -> list[list[Sequence]]:
    """Return the best word sequences of each picture, best first.

    Args:
        advance: takes int32 [rows] tokens and the rows [rows] whose histories they continue,
            returns float32 [rows, words] logits; rows = n_pictures * beam_width, a picture's
            rows side by side.
        options: width, length and ranking.
        n_pictures: how many pictures are searched at once.

    Returns:
        For each picture between 1 and beam_width sequences, by falling score.
    """
    width = options.beam_width
    beams = [_Beam([()] * width, [()] * width, []) for _ in range(n_pictures)]
    # Only the first row may grow at the start: the others are copies of it.
    totals_nw = np.full((n_pictures, width), -np.inf, dtype=np.float32)
    totals_nw[:, 0] = 0.0
    tokens_r, parents_r = np.full(n_pictures * width, START, dtype=np.int32), None
    for length in range(1, options.max_words + 2):
        logits_rv = advance(tokens_r, parents_r)
        is_full = length > options.max_words
        totals_rv = _totals(logits_rv, totals_nw.reshape(-1, 1), is_full=is_full)
        # Of 2 * width candidates at most width are end marks, so width live ones always remain.
        candidates = _best(totals_rv.reshape(n_pictures, -1), 2 * width, totals_rv.shape[1])
        parents_r, tokens_r = _grow(beams, totals_nw, candidates, options)
        if all(beam.is_done for beam in beams):
            break
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


def _totals(logits_rv: Logits, totals_r1: Logits, *, is_full: bool) -> Logits:
    """Return the log-probability of every row with every word after it, [rows, words].

    What may not follow is -inf: the marks, and all but the end mark where no word fits any more.
    """
    totals_rv = log_softmax(logits_rv)
    totals_rv += totals_r1
    # Padding and start lie before the end mark. Slices, as a list of columns takes twice as long.
    never_said = slice(END + 1, None) if is_full else UNKNOWN
    totals_rv[:, :END] = totals_rv[:, never_said] = -np.inf
    return totals_rv


def _best(totals_nc: Logits, n_best: int, n_words: int) -> list[list[_Candidate]]:
    """Return each picture's likeliest candidates, best first; fewer where there are no more.

    Args:
        totals_nc: the log-probabilities of each picture's rows, one row's words after the other's.
        n_best: how many candidates a picture gets at most.
        n_words: words of a row.
    """
    n_pictures, n_columns = totals_nc.shape
    likely = np.flatnonzero(totals_nc >= _floor(totals_nc, n_best))
    candidates: list[list[_Candidate]] = [[] for _ in range(n_pictures)]
    for where, total in zip(likely.tolist(), totals_nc.ravel()[likely].tolist(), strict=True):
        n, column = divmod(where, n_columns)
        candidates[n].append((total, *divmod(column, n_words)))
    # Sorting is stable: equally likely ones stay in the order of rows and words.
    return [sorted(each, key=lambda candidate: -candidate[0])[:n_best] for each in candidates]


def _floor(totals_nc: Logits, n_best: int) -> Logits:
    """Return a finite number [pictures, 1] not above a picture's n-th best; few others reach it.

    It is the n-th best of the largest of each of hundreds of parts. For 6 of 3 x 2540 that took
    5 us; an argpartition of all took 11, taking the largest six times about 20 (x86, NumPy 2.4).
    """
    n_pictures, n_columns = totals_nc.shape
    n_parts = n_columns // _PART_SIZE
    lowest = np.finfo(np.float32).min
    if n_parts < n_best:
        return np.full((n_pictures, 1), lowest)
    # Every n_parts-th column makes a part: NumPy is fast where what it compares lies apart.
    parts = totals_nc[:, : n_parts * _PART_SIZE].reshape(n_pictures, _PART_SIZE, n_parts)
    nth_best = np.partition(parts.max(axis=1), n_parts - n_best, axis=1)[:, n_parts - n_best, None]
    return np.maximum(nth_best, lowest)


def _grow(
    beams: list[_Beam],
    totals_nw: Logits,
    candidates: list[list[_Candidate]],
    options: SearchOptions,
) -> tuple[Parents, npt.NDArray[np.int32]]:
    """Extend every live hypothesis by one word; ``totals_nw`` and ``beams`` change in place.

    Returns:
        For each row the row whose history it goes on with, and its new token.
    """
    width = options.beam_width
    parents, tokens = list(range(len(beams) * width)), [PAD] * (len(beams) * width)
    totals_nw.fill(-np.inf)
    for n, (beam, ranked) in enumerate(zip(beams, candidates, strict=True)):
        if beam.is_done:
            continue
        chosen = _choose(beam, ranked, options)
        for slot, (total, row, word) in enumerate(chosen):
            totals_nw[n, slot] = total
            parents[n * width + slot] = n * width + row
            tokens[n * width + slot] = word
        beam.live = [(*beam.live[row], word) for _, row, word in chosen]
        beam.totals = [(*beam.totals[row], total) for total, row, _ in chosen]
        beam.is_done = not chosen or len(beam.finished) >= width
    return np.array(parents, dtype=np.intp), np.array(tokens, dtype=np.int32)


def _choose(beam: _Beam, ranked: list[_Candidate], options: SearchOptions) -> list[_Candidate]:
    """Move ended candidates to ``beam.finished``; return the live ones, at most ``beam_width``."""
    chosen: list[_Candidate] = []
    for rank, candidate in enumerate(ranked):
        total, row, word = candidate
        if len(chosen) == options.beam_width:
            break
        if word != END:
            chosen.append(candidate)
        elif rank < options.beam_width:  # an end mark below the beam would not have lived
            ids = beam.live[row]
            score = total / (len(ids) + 1) ** options.length_penalty
            each = tuple(map(operator.sub, (*beam.totals[row], total), (0.0, *beam.totals[row])))
            beam.finished.append(Sequence(ids, total, score, each))
    return chosen
