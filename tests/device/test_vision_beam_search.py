"""The search, on models of a few words whose every sentence can be listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.errors import ConfigError
from seealoud.device.vision.beam_search import (
    Logits,
    SearchOptions,
    Sequence,
    State,
    likeliest,
    log_probability,
    log_softmax,
    search,
)
from seealoud.device.vision.vocabulary import END, PAD, SPECIALS, START, UNKNOWN

A, B, C = range(len(SPECIALS), len(SPECIALS) + 3)
NEVER = -np.inf
# Sums of float32 log-probabilities against sums in float64.
TOLERANCE = 1e-4


@dataclass
class Model:
    """Logits that depend on the last word and on how often each word was said before.

    Attributes:
        follows_vv: logits of the next word (columns) after each word (rows).
        said_vv: added for each time that a word (rows) was said before.
        asked: rows of every call.
    """

    follows_vv: npt.NDArray[np.float64]
    said_vv: npt.NDArray[np.float64] | None = None
    asked: list[int] = field(default_factory=list)

    @property
    def n_words(self) -> int:
        return len(self.follows_vv)

    def start(self, n_rows: int) -> State:
        """Return how often each word was said in each row, and each row's last word."""
        return (
            np.zeros((n_rows, self.n_words), np.float32),
            np.full((n_rows, 1), PAD, np.float32),
        )

    def step(self, tokens_r: npt.NDArray[np.int32], state: State) -> tuple[Logits, State]:
        assert tokens_r.dtype == np.int32
        self.asked.append(len(tokens_r))
        said_rv = state[0] + np.eye(self.n_words, dtype=np.float32)[tokens_r]
        return self.logits(tokens_r, said_rv), (said_rv, tokens_r[:, None].astype(np.float32))

    def logits(self, tokens_r: npt.NDArray[np.int32], said_rv: Logits) -> Logits:
        logits_rv = self.follows_vv[tokens_r]
        if self.said_vv is not None:
            logits_rv = logits_rv + said_rv @ self.said_vv
        return logits_rv.astype(np.float32)

    def log_probability(self, ids: tuple[int, ...]) -> float:
        """Return the natural-log probability of the words and the end mark, in float64."""
        total, said_1v, last = 0.0, np.zeros((1, self.n_words), np.float32), START
        for word in (*ids, END):
            said_1v[0, last] += 1
            logits_v = self.logits(np.array([last], np.int32), said_1v)[0].astype(np.float64)
            total += logits_v[word] - np.logaddexp.reduce(logits_v)
            last = word
        return total

    def all_sentences(self, max_words: int) -> Iterator[tuple[int, ...]]:
        for length in range(max_words + 1):
            yield from itertools.product(range(len(SPECIALS), self.n_words), repeat=length)

    def best(self, options: SearchOptions, n_pictures: int = 1) -> list[list[Sequence]]:
        rows = options.beam_width * n_pictures
        return search(self.step, self.start(rows), options, n_pictures)


def chances(**rows: dict[int, float]) -> Model:
    """Return a model of stated probabilities; what is left out never happens."""
    follows_vv = np.full((C + 1, C + 1), NEVER)
    follows_vv[:, END] = 0.0  # rows without a rule end
    for name, row in rows.items():
        assert sum(row.values()) == pytest.approx(1)
        word = {"start": START, "a": A, "b": B, "c": C}[name]
        follows_vv[word] = NEVER
        for following, probability in row.items():
            follows_vv[word, following] = np.log(probability)
    return Model(follows_vv)


def random_model(seed: int, n_words: int) -> Model:
    rng = np.random.default_rng(seed)
    size = len(SPECIALS) + n_words
    return Model(rng.normal(0, 2, (size, size)), rng.normal(0, 1, (size, size)))


def n_sentences(n_words: int, max_words: int) -> int:
    """Return how many sentences there are: a beam as wide as this forgets none."""
    return sum(n_words**length for length in range(max_words + 1))


MODELS = st.builds(random_model, seed=st.integers(0, 2**32 - 1), n_words=st.integers(1, 3))
WIDTHS = st.integers(1, 5)
LENGTHS = st.integers(1, 4)
PENALTIES = st.floats(0, 2)


# --- known answers ----------------------------------------------------------------------------


def test_one_sentence_and_its_probability() -> None:
    model = chances(start={A: 0.6, B: 0.4}, a={B: 1}, b={END: 0.25, A: 0.75})
    [[best]] = model.best(SearchOptions(beam_width=1, max_words=2, length_penalty=1.0))
    assert best.ids == (A, B)
    assert best.log_probability == pytest.approx(np.log(0.6 * 1 * 0.25))
    assert best.score == pytest.approx(best.log_probability / 3)


def test_the_beam_finds_what_greedy_search_misses() -> None:
    # Greedy takes the 0.6, and then no word is likely.
    model = chances(start={A: 0.6, B: 0.4}, a={C: 0.45, A: 0.35, END: 0.2}, b={END: 1})
    greedy = model.best(SearchOptions(beam_width=1, max_words=3, length_penalty=0.0))[0]
    beam = model.best(SearchOptions(beam_width=2, max_words=3, length_penalty=0.0))[0]
    assert [s.ids for s in greedy] == [(A, C)]
    assert [s.ids for s in beam] == [(B,), (A, C)]
    assert [s.log_probability for s in beam] == pytest.approx(np.log([0.4, 0.6 * 0.45]))


@pytest.mark.parametrize(
    ("length_penalty", "expected"),
    # log 0.3 / 2 ** alpha against log 0.245 / 3 ** alpha: equal at alpha = 0.38.
    [(0.0, [(A,), (B, C)]), (0.3, [(A,), (B, C)]), (0.5, [(B, C), (A,)]), (2.0, [(B, C), (A,)])],
)
def test_the_length_penalty_favours_longer_captions(
    length_penalty: float, expected: list[tuple[int, ...]]
) -> None:
    model = chances(start={A: 0.3, B: 0.7}, a={END: 1}, b={C: 1}, c={END: 0.35, C: 0.65})
    options = SearchOptions(beam_width=2, max_words=2, length_penalty=length_penalty)
    found = model.best(options)[0]
    assert [s.ids for s in found] == expected
    scores = {(A,): np.log(0.3) / 2**length_penalty, (B, C): np.log(0.245) / 3**length_penalty}
    assert [s.score for s in found] == pytest.approx([scores[ids] for ids in expected])


def test_special_marks_are_never_said_however_likely() -> None:
    model = chances(start={PAD: 0.3, START: 0.3, UNKNOWN: 0.3, A: 0.1}, a={UNKNOWN: 0.9, END: 0.1})
    [[best]] = model.best(SearchOptions(beam_width=1, max_words=3))
    assert best.ids == (A,)
    # They keep their share of the probability: it is the model's own, not made to sum up.
    assert best.log_probability == pytest.approx(np.log(0.1 * 0.1))


def test_the_empty_caption_is_a_caption() -> None:
    model = chances(start={END: 0.6, A: 0.4})
    found = model.best(SearchOptions(beam_width=2, max_words=3, length_penalty=0.0))[0]
    assert [s.ids for s in found] == [(), (A,)]


def test_a_caption_that_never_ends_is_ended_by_force() -> None:
    model = chances(start={A: 1}, a={A: 0.99, END: 0.01})
    [[best]] = model.best(SearchOptions(beam_width=1, max_words=4))
    assert best.ids == (A, A, A, A)
    assert best.log_probability == pytest.approx(np.log(0.99**3 * 0.01))
    assert len(model.asked) == 5


def test_it_stops_when_all_captions_have_ended() -> None:
    model = chances(start={A: 1}, a={END: 1})
    model.best(SearchOptions(beam_width=1, max_words=20))
    assert len(model.asked) == 2


def test_an_end_mark_below_the_beam_does_not_count() -> None:
    """Else poor captions that end early fill the beam, and the better ones are given up."""
    model = chances(
        start={A: 0.55, B: 0.45}, a={END: 0.55, C: 0.45}, b={END: 0.5, C: 0.3, B: 0.2}, c={END: 1}
    )
    # Of the second words: "a" ends with 0.30, "a c" has 0.25, and only then "b" ends, with 0.23.
    found = model.best(SearchOptions(beam_width=2, max_words=3, length_penalty=0.0))[0]
    assert [s.ids for s in found] == [(A,), (A, C)]


def test_an_ended_caption_leaves_its_place_to_the_next_best() -> None:
    """With "a" ended, "a c" and "b b" both go on, and the third turns out better."""
    model = chances(
        start={A: 0.55, B: 0.45},
        a={END: 0.52, C: 0.48},
        b={B: 0.5, END: 0.3, A: 0.2},
        c={C: 0.9, END: 0.1},
    )
    found = model.best(SearchOptions(beam_width=2, max_words=2, length_penalty=0.0))[0]
    assert [s.ids for s in found] == [(A,), (B, B)]


def test_fewer_sentences_than_the_beam_is_wide() -> None:
    model = chances(start={A: 0.7, END: 0.3}, a={END: 1})
    found = model.best(SearchOptions(beam_width=5, max_words=3))[0]
    assert [s.ids for s in found] == [(A,), ()]
    assert all(np.isfinite(s.log_probability) for s in found)


def test_a_step_is_asked_for_every_row_of_every_picture() -> None:
    model = random_model(1, 3)
    model.best(SearchOptions(beam_width=4, max_words=3), n_pictures=5)
    assert set(model.asked) == {20}


# --- what holds for every model ---------------------------------------------------------------


@given(model=MODELS, max_words=LENGTHS, length_penalty=PENALTIES)
def test_a_beam_wide_enough_finds_the_best_of_all_sentences(
    model: Model, max_words: int, length_penalty: float
) -> None:
    width = n_sentences(model.n_words - len(SPECIALS), max_words)
    found = model.best(SearchOptions(width, max_words, length_penalty))[0]
    scores = {
        ids: model.log_probability(ids) / (len(ids) + 1) ** length_penalty
        for ids in model.all_sentences(max_words)
    }
    assert {s.ids for s in found} == scores.keys()
    expected = sorted(scores.values(), reverse=True)
    assert [s.score for s in found] == pytest.approx(expected, abs=TOLERANCE)


@given(model=MODELS, width=WIDTHS, max_words=LENGTHS, length_penalty=PENALTIES)
def test_every_caption_has_its_true_probability(
    model: Model, width: int, max_words: int, length_penalty: float
) -> None:
    for sequence in model.best(SearchOptions(width, max_words, length_penalty))[0]:
        expected = model.log_probability(sequence.ids)
        assert sequence.log_probability == pytest.approx(expected, abs=TOLERANCE)
        normaliser = (len(sequence.ids) + 1) ** length_penalty
        assert sequence.score == pytest.approx(expected / normaliser, abs=TOLERANCE)
        assert sequence.log_probability <= 0


@given(model=MODELS, width=WIDTHS, max_words=LENGTHS)
def test_every_word_has_its_true_probability(model: Model, width: int, max_words: int) -> None:
    """The rows change places while the search goes on; each word must keep its own."""
    options = SearchOptions(width, max_words)
    for found in model.best(options)[0]:
        assert len(found.word_log_probs) == len(found.ids) + 1
        state, token = model.start(1), START
        for word, said in zip((*found.ids, END), found.word_log_probs, strict=True):
            logits, state = model.step(np.array([token], np.int32), state)
            assert said == pytest.approx(float(log_softmax(logits)[0, word]), abs=TOLERANCE)
            token = word


@given(model=MODELS, max_words=LENGTHS)
def test_given_words_have_their_true_probability(model: Model, max_words: int) -> None:
    for ids in model.all_sentences(max_words):
        found = log_probability(model.step, model.start(1), ids)
        assert found == pytest.approx(model.log_probability(ids), abs=TOLERANCE)


@given(model=MODELS, width=WIDTHS, max_words=LENGTHS, length_penalty=PENALTIES)
def test_captions_are_distinct_sorted_and_of_words(
    model: Model, width: int, max_words: int, length_penalty: float
) -> None:
    found = model.best(SearchOptions(width, max_words, length_penalty))[0]
    assert 1 <= len(found) <= width
    assert len({s.ids for s in found}) == len(found)
    scores = [s.score for s in found]
    assert scores == sorted(scores, reverse=True)
    for sequence in found:
        assert len(sequence.ids) <= max_words
        assert all(len(SPECIALS) <= word < model.n_words for word in sequence.ids)


def greedy(model: Model, max_words: int) -> tuple[int, ...]:
    """Return the words that are likeliest one after the other; written apart from ``search``."""
    ids: tuple[int, ...] = ()
    while len(ids) < max_words:
        said_1v = np.bincount((START, *ids), minlength=model.n_words)[None].astype(np.float32)
        logits_v = model.logits(np.array([(START, *ids)[-1]]), said_1v)[0]
        word = max((END, *range(len(SPECIALS), model.n_words)), key=lambda w: logits_v[w])
        if word == END:
            break
        ids += (word,)
    return ids


@given(model=MODELS, max_words=LENGTHS, length_penalty=PENALTIES)
def test_a_beam_of_one_is_greedy_search(
    model: Model, max_words: int, length_penalty: float
) -> None:
    [[found]] = model.best(SearchOptions(1, max_words, length_penalty))
    assert found.ids == greedy(model, max_words)


@given(
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=4),
    n_words=st.integers(1, 3),
    width=WIDTHS,
    max_words=LENGTHS,
)
def test_several_pictures_at_once_are_searched_as_one_by_one(
    seeds: list[int], n_words: int, width: int, max_words: int
) -> None:
    models = [random_model(seed, n_words) for seed in seeds]

    def step_all(tokens_r: npt.NDArray[np.int32], state: State) -> tuple[Logits, State]:
        parts = [
            model.step(tokens_r[rows], tuple(array[rows] for array in state))
            for n, model in enumerate(models)
            for rows in [slice(n * width, (n + 1) * width)]
        ]
        grown = zip(*(state for _, state in parts), strict=True)
        return np.concatenate([x for x, _ in parts]), tuple(map(np.concatenate, grown))

    options = SearchOptions(width, max_words)
    together = search(step_all, models[0].start(width * len(models)), options, len(models))
    assert together == [model.best(options)[0] for model in models]


def many_words(seed: int, n_words: int) -> Model:
    """Return a model of whole logits: many candidates are equally likely, and sums are exact."""
    rng = np.random.default_rng(seed)
    size = len(SPECIALS) + n_words
    follows_vv = rng.integers(-6, 7, (size, size)).astype(float)
    follows_vv[:, END] += rng.integers(0, 6)
    return Model(follows_vv, rng.integers(-1, 2, (size, size)).astype(float))


def in_full(model: Model, options: SearchOptions) -> list[tuple[tuple[int, ...], float]]:
    """Return words and log-probabilities by a search that sorts all there is; see ``search``."""
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[tuple[tuple[int, ...], float]] = []
    for length in range(1, options.max_words + 2):
        is_full = length > options.max_words
        words = (END,) if is_full else (END, *range(len(SPECIALS), model.n_words))
        grown: list[tuple[tuple[int, ...], float]] = []
        for ids, total in live:
            said_1v = np.bincount((START, *ids), minlength=model.n_words)[None].astype(np.float32)
            [log_probs_v] = log_softmax(model.logits(np.array([(START, *ids)[-1]]), said_1v))
            grown.extend(((*ids, word), total + float(log_probs_v[word])) for word in words)
        grown.sort(key=lambda candidate: -candidate[1])
        live = []
        for rank, (ids, total) in enumerate(grown):
            if len(live) == options.beam_width:
                break
            if ids[-1] != END:
                live.append((ids, total))
            elif rank < options.beam_width:
                finished.append((ids[:-1], total))
        if not live or len(finished) >= options.beam_width:
            break
    by_score = sorted(finished, key=lambda f: -f[1] / (len(f[0]) + 1) ** options.length_penalty)
    return by_score[: options.beam_width]


@given(
    seed=st.integers(0, 2**32 - 1),
    n_words=st.integers(1, 300),
    width=WIDTHS,
    max_words=st.integers(1, 6),
)
def test_nothing_is_lost_by_looking_at_the_likely_words_only(
    seed: int, n_words: int, width: int, max_words: int
) -> None:
    """Exactly the captions of a search that sorts everything, ties and all."""
    model, options = many_words(seed, n_words), SearchOptions(width, max_words)
    found = [(s.ids, s.log_probability) for s in model.best(options)[0]]
    assert found == in_full(model, options)


# --- parts ------------------------------------------------------------------------------------


def test_log_softmax_of_known_logits() -> None:
    logits = np.log(np.array([[1, 1, 2], [3, 6, 1]], np.float32))
    expected = np.log([[0.25, 0.25, 0.5], [0.3, 0.6, 0.1]])
    found = log_softmax(logits)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_log_softmax_of_huge_logits_is_exact() -> None:
    found = log_softmax(np.array([[1e30, 0, -1e30], [-1e30, -1e30, -np.inf]], np.float32))
    np.testing.assert_array_equal(found[0], np.array([0, -1e30, -2e30], np.float32))
    np.testing.assert_allclose(found[1], [-np.log(2), -np.log(2), -np.inf], rtol=1e-6)


def test_the_likeliest_words_and_the_end_mark_of_each_row() -> None:
    chances_rv = [[0.3, 0.2, 0.1, 0.1, 0.05, 0.15, 0.1], [0, 0, 0.6, 0, 0.1, 0.1, 0.2]]
    with np.errstate(divide="ignore"):
        found = likeliest(np.log(np.array(chances_rv, np.float32)), 2)
    assert found.words_rk.tolist() == [[B, C], [C, A]]  # of equal ones the first
    expected = np.log([[0.15, 0.1, 0.1], [0.2, 0.1, 0.6]])
    assert found.log_probs_re.dtype == np.float32
    np.testing.assert_allclose(found.log_probs_re, expected, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), n_words=st.integers(1, 9), n=st.integers(1, 12))
def test_the_likeliest_words_are_those_that_sorting_all_puts_first(
    seed: int, n_words: int, n: int
) -> None:
    shape = (4, len(SPECIALS) + n_words)
    logits = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)
    logits[0, len(SPECIALS) :] = NEVER
    found = likeliest(logits, n)
    expected = np.argsort(-logits[:, len(SPECIALS) :], axis=1, kind="stable")[:, :n]
    np.testing.assert_array_equal(found.words_rk, expected + len(SPECIALS))
    log_probs = np.take_along_axis(log_softmax(logits), found.words_rk, axis=1)
    np.testing.assert_array_equal(found.log_probs_re[:, :-1], log_probs)
    np.testing.assert_array_equal(found.log_probs_re[:, -1], log_softmax(logits)[:, END])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_width": 0}, "beam width 0: must be at least 1"),
        ({"beam_width": -3}, "beam width -3: must be at least 1"),
        ({"max_words": 0}, "max words 0: must be at least 1"),
        ({"length_penalty": -0.1}, r"length penalty -0\.1: must be within 0\.\.2"),
        ({"length_penalty": 2.5}, r"length penalty 2\.5: must be within 0\.\.2"),
        ({"length_penalty": float("nan")}, r"length penalty nan: must be within 0\.\.2"),
    ],
)
def test_impossible_options_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchOptions(**arguments)  # type: ignore[arg-type]
