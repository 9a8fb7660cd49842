"""The hypothesis that agrees most with the others is chosen, by CIDEr-D."""

from __future__ import annotations

from training.consensus import most_agreed
from training.metrics.cider import DocumentFrequency

REFERENCES = {
    "1": [["a", "red", "dog", "runs", "on", "the", "grass"], ["a", "dog", "runs"]],
    "2": [["two", "boys", "play", "in", "the", "water"]],
    "3": [["a", "man", "climbs", "a", "rock"]],
}
FREQUENCY = DocumentFrequency.of(REFERENCES)


def test_the_one_that_most_others_resemble_is_chosen() -> None:
    n_best = {
        "x": [
            ["two", "boys", "play", "in", "the", "water"],  # the likeliest, alone with what it says
            ["a", "red", "dog", "runs", "on", "the", "grass"],
            ["a", "red", "dog", "runs", "on", "grass"],
            ["a", "dog", "runs", "on", "the", "grass"],
        ]
    }
    assert most_agreed(n_best, FREQUENCY)["x"] == n_best["x"][1]


def test_each_picture_has_its_own_and_the_first_of_equals_is_taken() -> None:
    n_best = {"x": [["a", "dog", "runs"]], "y": [["a", "man", "climbs"], ["two", "boys", "play"]]}
    assert most_agreed(n_best, FREQUENCY) == {"x": n_best["x"][0], "y": n_best["y"][0]}
