"""The probability of a caption: the product of its mentions', by the bundle's own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import tiny_model as tiny
from support.confident_bundle import GREY, arrays, confident_bundle, spec
from support.tiny_bundle import change_manifest

from seealoud.device.records import Frame, Hypothesis
from seealoud.device.vision.bundle import file_entry, load_bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.confidence import Confidence, ConfidenceModel, JudgedCaption, sigmoid
from seealoud.device.vision.manifest import CONFIDENCE
from seealoud.device.vision.mentions import Mention, Mentions
from seealoud.device.vision.sentences import Hedge

GREY_PICTURE = np.full(len(tiny.CHANNELS), GREY, np.float32)
REDDISH = GREY_PICTURE + np.array([0.3, 0, 0, 0], np.float32)


def said(text: str, *word_log_probs: float) -> Hypothesis:
    """Return a caption; words whose log-probability is not given and the end mark have 0."""
    n_words = len(text.split())
    each = (*word_log_probs, *[0.0] * (n_words + 1 - len(word_log_probs)))
    return Hypothesis(text, sum(each), sum(each), each)


def test_a_caption_is_as_probable_as_all_its_mentions_together() -> None:
    found = Confidence(spec(), arrays()).of(said("a red picture", 0.0, -1.0, -0.4), REDDISH)
    red = 1 / (1 + np.exp(-(0.0 + 0.5 * -1.0 + 10 * 0.3)))
    picture = 1 / (1 + np.exp(-(2.0 + 0.5 * -0.4)))
    assert found == pytest.approx(red * picture, abs=1e-6)


def test_what_the_encoder_does_not_see_is_less_probable() -> None:
    confidence = Confidence(spec(), arrays())
    red, green = (confidence.of(said(f"a {c} picture"), REDDISH) for c in ("red", "green"))
    assert red > green + 0.3


def test_an_unlikely_word_is_less_probable() -> None:
    confidence = Confidence(spec(), arrays())
    likely, unlikely = (
        confidence.of(said("a red picture", 0.0, log_prob), REDDISH) for log_prob in (-0.1, -3.0)
    )
    assert likely > unlikely + 0.1


def test_a_word_that_is_not_judged_changes_only_the_mean() -> None:
    by_mean = spec(weights={"word_log_prob": 0.0, "mean_log_prob": 1.0, "seen_log_odds": 0.0})
    for numbers, moves in ((spec(), False), (by_mean, True)):
        confidence = Confidence(numbers, arrays())
        sure, unsure = (
            confidence.of(said("a red picture", log_prob), REDDISH) for log_prob in (0.0, -2.0)
        )
        assert (sure > unsure) == moves


@pytest.mark.parametrize("text", ["", "a wall"])
def test_nothing_judged_is_never_right(text: str) -> None:
    assert Confidence(spec(), arrays()).of(said(text), REDDISH) == 0.0


@given(
    words=st.lists(st.sampled_from(["a", "red", "green", "blue", "picture", "and"]), max_size=8),
    log_prob=st.floats(-30, 0),
    pooled=st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=4),
)
def test_it_is_always_a_probability(words: list[str], log_prob: float, pooled: list[float]) -> None:
    hypothesis = said(" ".join(words), *[log_prob] * len(words))
    found = Confidence(spec(), arrays()).of(hypothesis, np.array(pooled, np.float32))
    assert 0 <= found <= 1


def test_far_odds_do_not_overflow() -> None:
    assert sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [0.0, 0.5, 1.0]


# --- mentions ---------------------------------------------------------------------------------


def test_a_class_counts_once_and_where_it_is_first_said() -> None:
    mentions = Mentions({"subject/man": "man guy", "count/two": "two"})
    assert mentions.of(["a", "guy", "and", "a", "man", "and", "two"]) == [
        Mention("subject", 0, 1),
        Mention("count", 1, 6),
    ]


def test_a_word_may_belong_to_two_kinds() -> None:
    mentions = Mentions({"activity/ride": "rider rides", "subject/person": "rider"})
    assert [(m.kind, m.position) for m in mentions.of(["a", "rider", "rides"])] == [
        ("activity", 1),
        ("subject", 1),
    ]


def test_words_that_no_class_has_are_no_mentions() -> None:
    assert Mentions({"subject/man": "man"}).of(["a", "wall"]) == []


# --- the whole --------------------------------------------------------------------------------


def test_a_real_caption_has_a_probability_and_its_wording(tmp_path: Path) -> None:
    bundle = load_bundle(confident_bundle(tmp_path / "bundle"))
    honesty = ConfidenceModel(bundle)
    with Captioner(bundle) as captioner:
        encoded = captioner.encode(Frame.now(tiny.plain((255, 0, 0)), "here"))
        caption = captioner.decode(encoded)
    said = honesty.judge(caption, encoded)
    expected = Confidence(spec(), arrays()).of(caption.n_best[0], encoded.pooled_d)
    assert caption.text == said.text == "a red picture"
    assert said.probability == expected
    assert said.probability > 0.7
    assert said.how is Hedge.PLAIN
    assert not honesty.is_unfamiliar(encoded)


def test_a_colour_that_is_more_likely_wrong_stays_unsaid() -> None:
    confidence = Confidence(spec(), arrays())
    green = said("a green picture", 0.0, -1.0, 0.0)
    found = confidence.trusted(green, REDDISH)
    assert found.text == "a picture"
    (picture,) = [
        one.probability
        for one in confidence.judged(green, REDDISH)
        if one.mention.kind == "subject"
    ]
    assert found.probability == pytest.approx(picture)
    assert found.probability > confidence.of(green, REDDISH)
    red = said("a red picture", 0.0, -1.0, 0.0)
    assert confidence.trusted(red, REDDISH).text == "a red picture"
    assert confidence.trusted(red, REDDISH).probability == confidence.of(red, REDDISH)


def test_a_caption_of_colours_alone_is_said_whole() -> None:
    confidence = Confidence(spec(), arrays())
    wall = said("a green wall", 0.0, -1.0, 0.0)
    found = confidence.trusted(wall, REDDISH)
    assert (found.text, found.probability) == ("a green wall", confidence.of(wall, REDDISH))


def test_a_bundle_without_confidence_claims_nothing() -> None:
    from support.tiny_bundle import TINY_BUNDLE

    bundle = load_bundle(TINY_BUNDLE)
    honesty = ConfidenceModel(bundle)
    with Captioner(bundle) as captioner:
        encoded = captioner.encode(Frame.now(tiny.plain((255, 0, 0)), "here"))
        caption = captioner.decode(encoded)
    assert not honesty.is_unfamiliar(encoded)
    assert honesty.judge(caption, encoded) == JudgedCaption(caption.text, None, Hedge.PLAIN)


# --- what the detector adds -------------------------------------------------------------------

ANIMALS = {"subject/cat": "cat", "subject/dog": "dog", "colour/red": "red"}


def animal_confidence(**weights: float) -> Confidence:
    """Return a confidence in animals that knows the detector's scores alone."""
    flat = {"word_log_prob": 0.0, "mean_log_prob": 0.0, "seen_log_odds": 0.0, **weights}
    made = arrays()
    rows = len(ANIMALS)
    same = replace(
        made, class_weights_ck=made.class_weights_ck[:rows], class_bias_c=made.class_bias_c[:rows]
    )
    return Confidence(spec(classes=ANIMALS, weights=flat), same)


def test_what_the_detector_finds_is_more_probable() -> None:
    confidence = animal_confidence(detected_log_odds=1.0, is_detectable=-0.5)
    found = [
        confidence.of(said("a dog runs"), GREY_PICTURE, scores)
        for scores in ({"dog": 0.9}, {"dog": 0.1}, {}, None)
    ]
    likely, unlikely, absent, not_run = found
    assert likely == pytest.approx(sigmoid(np.array(2.0 - 0.5 + np.log(9.0))))
    assert likely > unlikely > absent
    assert not_run == pytest.approx(sigmoid(np.array(2.0)))


def test_what_the_detector_cannot_know_is_as_probable_with_it() -> None:
    confidence = animal_confidence(detected_log_odds=1.0, is_detectable=-0.5)
    of = [confidence.of(said("a red wall"), GREY_PICTURE, scores) for scores in ({}, None)]
    assert of[0] == of[1]


def test_a_wrong_animal_is_corrected_and_judged_as_what_is_said() -> None:
    confidence = animal_confidence(detected_log_odds=1.0)
    scores = {"cat": 0.9, "dog": 0.05}
    found = confidence.trusted(said("a dog runs"), GREY_PICTURE, scores)
    assert found.text == "a cat runs"
    assert found.probability == confidence.of(said("a cat runs"), GREY_PICTURE, scores)
    assert found.probability > confidence.of(said("a dog runs"), GREY_PICTURE, scores)
    assert confidence.trusted(said("a dog runs"), GREY_PICTURE).text == "a dog runs"


def test_the_honesty_of_a_bundle_takes_the_scores_and_knows_how_sure_it_sees_a_person(
    tmp_path: Path,
) -> None:
    classes = {"subject/person": "picture", "colour/red": "red"}
    made = arrays()
    folder = confident_bundle(tmp_path / "bundle", classes=classes)
    rows = replace(
        made,
        class_weights_ck=made.class_weights_ck[:2],
        class_bias_c=np.array([-1.5, 0.0], np.float32),
    )
    rows.write(folder / CONFIDENCE)
    entry = file_entry(folder / CONFIDENCE).model_dump()
    weights = {**spec(classes=classes).weights.model_dump(), "detected_log_odds": 2.0}
    change_manifest(folder, {f"files/{CONFIDENCE}": entry, "confidence/weights": weights})
    bundle = load_bundle(folder)
    honesty = ConfidenceModel(bundle)
    with Captioner(bundle) as captioner:
        encoded = captioner.encode(Frame.now(tiny.plain((255, 0, 0)), "here"))
        caption = captioner.decode(encoded)
    sure, unsure = (honesty.judge(caption, encoded, {"person": p}) for p in (0.9, 0.01))
    assert sure.probability is not None
    assert unsure.probability is not None
    assert sure.probability > unsure.probability
    assert (sure.how, unsure.how) == (Hedge.PLAIN, Hedge.CANNOT_TELL)
    seen = -1.5 + 10 * (float(encoded.pooled_d[0]) - GREY)
    assert sure.person_log_odds == pytest.approx(seen, abs=1e-4)
    without = ConfidenceModel(load_bundle(confident_bundle(tmp_path / "other")))
    assert without.judge(caption, encoded).person_log_odds is None
