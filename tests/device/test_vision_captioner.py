"""The captioner on the tiny bundle: known words, known probabilities, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import tiny_model as tiny
from support.pictures import Image
from support.tiny_bundle import ENCODERS, TINY_BUNDLE, copy_bundle, replace_file

from seealoud.device.errors import BundleError, ConfigError, InferenceError
from seealoud.device.records import Caption, Frame
from seealoud.device.vision import runtime
from seealoud.device.vision.beam_search import SearchOptions, Sequence, search
from seealoud.device.vision.bundle import LARGEST_DIFFERENCE, load_bundle
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.vision.manifest import DECODER, ENCODER, VOCABULARY
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Encoder, load_interpreter

CAPTURED_AT = datetime(2026, 11, 23, 6, 6, 13, tzinfo=UTC)
TOLERANCE = 1e-5
# "red" leads "dark" by a hair, and then every second colour is as likely: greedy search errs.
GREY = (100, 100, 100)


def open_tiny(**options: Any) -> Captioner:
    return Captioner(load_bundle(TINY_BUNDLE), CaptionOptions(**options))


@pytest.fixture(scope="module")
def captioner() -> Iterator[Captioner]:
    with open_tiny() as captioner:
        yield captioner


def say(captioner: Captioner, image_hwc: Image) -> Caption:
    return captioner.caption(Frame(image_hwc, "here", CAPTURED_AT))


def refusal(folder: Path, **options: Any) -> str:
    """Return why the captioner refuses a bundle whose files match their hashes."""
    bundle = load_bundle(folder)
    with pytest.raises(BundleError) as caught:
        Captioner(bundle, CaptionOptions(**options))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def by_the_rules(image_hwc: Image) -> list[Sequence]:
    """Return what the rules say from the encoder's own grid on."""
    encoder = Encoder(ENCODERS["uint8"], mean=tiny.MEAN, scale=tiny.SCALE, threads=1)
    seen = tiny.seen(encoder.encode(preprocess(image_hwc, tiny.SIZE_PX)))
    return search(
        lambda tokens, state: tiny.step(seen, tokens, state),
        tiny.initial_state(tiny.BEAM_WIDTH),
        SearchOptions(tiny.BEAM_WIDTH, tiny.MAX_WORDS, tiny.LENGTH_PENALTY),
    )[0]


# --- captions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("colour", "known"), tiny.KNOWN.items())
def test_a_colour_is_named_with_its_known_probability(
    captioner: Captioner, colour: tuple[int, int, int], known: tuple[str, float]
) -> None:
    caption = say(captioner, tiny.plain(colour))
    assert caption.text == known[0]
    assert caption.log_probability == pytest.approx(known[1], abs=tiny.QUANTIZATION_TOLERANCE)


def test_two_colours_are_named_with_their_known_probability(captioner: Captioner) -> None:
    caption = say(captioner, tiny.red_and_blue())
    text, log_probability = tiny.KNOWN_RED_AND_BLUE
    assert caption.text == text
    assert caption.log_probability == pytest.approx(
        log_probability, abs=tiny.QUANTIZATION_TOLERANCE
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    height_px=st.integers(1, 120),
    width_px=st.integers(1, 120),
)
def test_every_picture_is_captioned_as_the_rules_say(
    captioner: Captioner, seed: int, height_px: int, width_px: int
) -> None:
    """The whole chain against the rules in NumPy, from the encoder's own grid on."""
    rng = np.random.default_rng(seed)
    picture = np.full((height_px, width_px, 3), rng.integers(0, 256, 3), np.uint8)
    picture[height_px // 2 :, width_px // 2 :] = rng.integers(0, 256, 3)
    expected, found = by_the_rules(picture)[0], say(captioner, picture).n_best[0]
    assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-4)
    assert found.score == pytest.approx(expected.score, abs=1e-4)


def test_a_caption_carries_its_frame_and_bundle(captioner: Captioner) -> None:
    caption = say(captioner, tiny.plain((255, 0, 0)))
    assert caption.frame_source == "here"
    assert caption.captured_at == CAPTURED_AT
    assert caption.bundle == "tiny"
    assert caption.sentence == "A red picture."


def test_every_stage_takes_time(captioner: Captioner) -> None:
    timings = say(captioner, tiny.plain((255, 0, 0), 600, 800)).timings
    stages = (timings.preprocess_ms, timings.encoder_ms, timings.decoder_ms)
    assert all(0 < stage < 10_000 for stage in stages)
    assert timings.total_ms == pytest.approx(sum(stages))


def test_a_frame_leaves_nothing_behind(captioner: Captioner) -> None:
    first = say(captioner, tiny.red_and_blue()).n_best
    say(captioner, tiny.plain((0, 0, 0)))
    assert say(captioner, tiny.red_and_blue()).n_best == first


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_with_another_kind_of_input_says_the_same(tmp_path: Path, kind: str) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    replace_file(folder, ENCODER, ENCODERS[kind].read_bytes())
    with Captioner(load_bundle(folder)) as captioner:
        for colour, (text, log_probability) in tiny.KNOWN.items():
            caption = say(captioner, tiny.plain(colour))
            assert caption.text == text
            tolerance = 1e-3 if kind == "float32" else tiny.QUANTIZATION_TOLERANCE
            assert caption.log_probability == pytest.approx(log_probability, abs=tolerance)


# --- options ----------------------------------------------------------------------------------


def test_the_n_best_are_sorted_distinct_and_no_more_than_asked() -> None:
    for asked in (1, 2, 3, 50):
        with open_tiny(n_best=asked) as captioner:
            n_best = say(captioner, tiny.red_and_blue()).n_best
        assert len(n_best) == min(asked, tiny.BEAM_WIDTH)
        assert len({hypothesis.text for hypothesis in n_best}) == len(n_best)
        scores = [hypothesis.score for hypothesis in n_best]
        assert scores == sorted(scores, reverse=True)


def test_a_score_is_the_normalised_log_probability(captioner: Captioner) -> None:
    for hypothesis in say(captioner, tiny.red_and_blue()).n_best:
        length = len(hypothesis.text.split()) + 1
        assert hypothesis.score == pytest.approx(
            hypothesis.log_probability / length**tiny.LENGTH_PENALTY
        )


def test_a_narrower_beam_says_the_same_of_a_clear_picture_and_less_beside() -> None:
    picture = tiny.red_and_blue()
    with open_tiny() as wide:
        best = say(wide, picture).n_best[0]
    for width in (1, 2):
        with open_tiny(beam_width=width) as narrow:
            n_best = say(narrow, picture).n_best
        assert len(n_best) == width
        assert n_best[0].text == best.text
        assert n_best[0].log_probability == pytest.approx(best.log_probability, abs=TOLERANCE)


def test_greedy_search_misses_what_the_beam_finds() -> None:
    grey = tiny.plain(GREY)
    with open_tiny(beam_width=1) as greedy, open_tiny() as beam:
        missed, found = say(greedy, grey), say(beam, grey)
    assert (missed.text, found.text) == ("a red and green picture", "a dark picture")
    assert missed.n_best[0].score < found.n_best[0].score


def test_the_length_penalty_changes_the_ranking() -> None:
    """Where "and" is as likely as "picture", only a penalty makes the longer caption better."""
    picture = tiny.plain((255, 0, 0), 32, 32)
    picture[16:, 16:] = (82, 0, 0)
    texts = {}
    for penalty in (0.0, 2.0):
        with open_tiny(length_penalty=penalty) as captioner:
            n_best = say(captioner, picture).n_best
        texts[penalty] = n_best[0].text
        length = len(n_best[0].text.split()) + 1
        assert n_best[0].score == pytest.approx(n_best[0].log_probability / length**penalty)
    assert len(texts[0.0].split()) < len(texts[2.0].split())


def test_the_longest_caption_is_the_manifests(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle", {"search/max_words": 3})
    with Captioner(load_bundle(folder)) as captioner:
        for hypothesis in say(captioner, tiny.red_and_blue()).n_best:
            assert len(hypothesis.text.split()) <= 3


def test_the_threads_are_the_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def load(path: Path, threads: int) -> Any:
        asked.append(threads)
        return load_interpreter(path, threads)

    monkeypatch.setattr(runtime, "load_interpreter", load)
    open_tiny(threads=7).close()
    assert asked == [7, 1], "the decoder's step is too small to share"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beam_width": 4}, "beam width 4: bundle tiny was exported for at most 3"),
        ({"beam_width": 0}, "beam width 0: must be at least 1"),
        ({"beam_width": -1}, "beam width -1: must be at least 1"),
        ({"length_penalty": 2.5}, "length penalty 2.5: must be within 0..2"),
        ({"length_penalty": -0.5}, "length penalty -0.5: must be within 0..2"),
        ({"n_best": 0}, "n-best 0: must be at least 1"),
        ({"threads": 0}, "threads 0: must be at least 1"),
        ({"threads": -2}, "threads -2: must be at least 1"),
    ],
)
def test_an_option_out_of_range_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_tiny(**options)
    assert str(caught.value) == said


# --- refusals ---------------------------------------------------------------------------------


SELF_TEST = load_bundle(TINY_BUNDLE).manifest.self_test


def test_a_failed_self_test_is_reported_with_both_numbers(tmp_path: Path) -> None:
    changed = SELF_TEST.log_probability - 1
    said = refusal(copy_bundle(tmp_path / "bundle", {"self_test/log_probability": changed}))
    words = tiny.VOCABULARY.decode(SELF_TEST.ids)
    found = f"it finds {words!r} as likely as exp({SELF_TEST.log_probability:.2f})"
    assert f"fails its self-test: {found}, expected exp({changed:.2f});" in said


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_self_test_allows_for_another_processors_rounding(tmp_path: Path, sign: int) -> None:
    """Of words a search may settle on others: a bundle must not stop working for that."""
    n_factors = len(SELF_TEST.ids) + 1

    def moved(per_word: float) -> dict[str, float]:
        change = sign * per_word * n_factors
        return {"self_test/log_probability": SELF_TEST.log_probability + change}

    Captioner(load_bundle(copy_bundle(tmp_path / "near", moved(0.9 * LARGEST_DIFFERENCE)))).close()
    assert "self-test" in refusal(copy_bundle(tmp_path / "far", moved(1.1 * LARGEST_DIFFERENCE)))


@pytest.mark.parametrize(
    "changes",
    [
        {"self_test/pattern": 0},
        {"self_test/ids": [tiny.A, tiny.BLUE, tiny.PICTURE]},
        {"self_test/ids": []},
        {"input/mean": 0.0},
    ],
)
def test_the_self_test_shows_what_is_wrong(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "fails its self-test" in refusal(copy_bundle(tmp_path / "bundle", changes))


@pytest.mark.parametrize(
    "computes",
    [np.zeros_like, np.ones_like, lambda grid: grid + 0.5, lambda grid: grid * np.nan],
    ids=["zeros", "ones", "shifted", "no numbers"],
)
def test_an_encoder_that_computes_wrongly_is_found(
    monkeypatch: pytest.MonkeyPatch, computes: Callable[[np.ndarray], np.ndarray]
) -> None:
    encode = Encoder.encode
    monkeypatch.setattr(
        Encoder, "encode", lambda self, image, **how: computes(encode(self, image, **how))
    )
    assert "fails its self-test" in refusal(TINY_BUNDLE)


def test_an_unknown_self_test_picture_is_refused(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle", {"self_test/pattern": 8})
    assert "no self-test picture 8" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input/size_px": 64}, "input.size_px is 64, but the models have 32"),
        ({"search/beam_width": 2}, "search.beam_width is 2, but the models have 3"),
        ({"search/beam_width": 5}, "search.beam_width is 5, but the models have 3"),
    ],
)
def test_a_manifest_that_does_not_fit_the_models_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(copy_bundle(tmp_path / "bundle", changes))


def test_a_vocabulary_of_another_length_is_refused(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    replace_file(folder, VOCABULARY, (folder / VOCABULARY).read_bytes() + b"more\n")
    assert "vocabulary is 13, but the models have 12" in refusal(folder)


def test_models_that_do_not_belong_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two models of different bundles, each whole: a broken bundle and no failing runtime."""
    folder = copy_bundle(tmp_path / "bundle")
    monkeypatch.setattr(Encoder, "encode", lambda *_, **__: np.zeros((49, 320), np.float32))
    said = refusal(folder)
    assert "decoder takes features (4, 4), the encoder returns (49, 320)" in said


@pytest.mark.parametrize("name", [ENCODER, DECODER])
def test_what_is_no_model_is_refused(tmp_path: Path, name: str) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    replace_file(folder, name, b"no model")
    assert f"rejects {folder / name}" in refusal(folder)


# --- its end ----------------------------------------------------------------------------------


def test_it_may_be_closed_twice() -> None:
    captioner = open_tiny()
    captioner.close()
    captioner.close()


def test_leaving_the_block_closes_it() -> None:
    with open_tiny() as captioner:
        pass
    with pytest.raises(InferenceError):
        say(captioner, tiny.plain((255, 0, 0)))


def test_a_closed_captioner_says_that_it_is_closed() -> None:
    captioner = open_tiny()
    captioner.close()
    with pytest.raises(InferenceError, match="the captioner of bundle tiny is closed"):
        say(captioner, tiny.plain((255, 0, 0)))


# --- in two stages ----------------------------------------------------------------------------


def test_the_two_stages_say_what_the_whole_says(captioner: Captioner) -> None:
    frame = Frame(tiny.red_and_blue(), "here", CAPTURED_AT, captured_s=4.5)
    encoded = captioner.encode(frame)
    whole, staged = captioner.caption(frame), captioner.decode(encoded)
    assert (staged.n_best, staged.bundle) == (whole.n_best, whole.bundle)
    assert (staged.frame_source, staged.captured_at) == ("here", CAPTURED_AT)
    assert (encoded.frame_source, encoded.captured_at, encoded.captured_s) == (
        "here",
        CAPTURED_AT,
        4.5,
    )
    assert staged.timings.preprocess_ms == encoded.preprocess_ms > 0
    assert staged.timings.encoder_ms == encoded.encoder_ms > 0


def test_what_was_seen_can_be_put_into_words_later_and_again(captioner: Captioner) -> None:
    """The narrator decodes the frame that it chose, after it has encoded others."""
    first = captioner.encode(Frame(tiny.red_and_blue(), "first", CAPTURED_AT))
    said = captioner.decode(first).n_best
    captioner.decode(captioner.encode(Frame(tiny.plain((0, 0, 0)), "second", CAPTURED_AT)))
    again = captioner.decode(first)
    assert (again.n_best, again.frame_source) == (said, "first")


def test_pooled_features_are_the_mean_over_the_grid(captioner: Captioner) -> None:
    encoded = captioner.encode(Frame(tiny.red_and_blue(), "here", CAPTURED_AT))
    assert encoded.features_nd.shape == (tiny.N_CELLS, len(tiny.CHANNELS))
    assert encoded.pooled_d.dtype == np.float32
    assert encoded.pooled_d == pytest.approx(encoded.features_nd.mean(axis=0))


def test_a_word_has_its_own_probability(captioner: Captioner) -> None:
    for hypothesis in say(captioner, tiny.red_and_blue()).n_best:
        each = hypothesis.word_log_probs
        assert len(each) == len(hypothesis.text.split()) + 1
        assert all(log_probability <= 0 for log_probability in each)
        assert sum(each) == pytest.approx(hypothesis.log_probability)


def test_a_closed_captioner_neither_sees_nor_speaks() -> None:
    captioner = open_tiny()
    frame = Frame(tiny.plain((255, 0, 0)), "here", CAPTURED_AT)
    encoded = captioner.encode(frame)
    captioner.close()
    with pytest.raises(InferenceError, match="is closed"):
        captioner.encode(frame)
    with pytest.raises(InferenceError, match="is closed"):
        captioner.decode(encoded)
