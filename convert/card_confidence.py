"""The part of a model card that says what its probability is worth; from the metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.vision.sentences import caption_sentence
from device.vision.wording import Hedge

_PERCENT = 100.0
_NONE = "-"

Facts = Mapping[str, Any]

_HEARD = {how.value: caption_sentence("a dog runs", how) for how in Hedge}


def confidence_part(found: Facts) -> list[str]:
    """Return the lines: what the device's probability tells, its wording, what it refuses.

    Args:
        found: ``metrics.calibration.confidence`` of a manifest.
    """
    test = found["test"]
    first, last = test["bins"][0], test["bins"][-1]
    auc = "" if test["auc"] is None else f" in {_percent(test['auc'])} of the pairs;"
    return [
        "The device knows more than that: it takes the probability of each word that is judged, "
        "and what the encoder's features looked like in training pictures of that class "
        "(`confidence.npz`, fitted on train and dev). On test, of a right and a wrong caption, "
        f"the right one has the greater probability{auc} of the {first['n']} least probable "
        f"captions {_percent(first['right'])} are right (predicted: "
        f"{_percent(first['predicted'])}), of the {last['n']} most probable "
        f"{_percent(last['right'])} (predicted: {_percent(last['predicted'])}). Calibration error "
        f"{test['ece']:.3f} (by chance {test['ece_by_chance']:.3f}), Brier score "
        f"{test['brier']:.3f}. The wording follows it:",
        "",
        "| from | heard | captions | right |",
        "|---|---|---|---|",
        *(
            f"| {_percent(use['at_least'], 1)} | {_HEARD[use['hedge']]} | {use['n']} | "
            f"{_NONE if use['right'] is None else _percent(use['right'])} |"
            for use in found["hedges"]
        ),
        "",
        *_restraint(found.get("restraint")),
        *_refusals(found["refusals"]),
    ]


def _restraint(restraint: Facts | None) -> list[str]:
    """Return the lines about colours; none in manifests from before they were left out."""
    if not restraint:
        return []
    test = restraint["test"]
    whole, said = test["of_caption"], test["of_said"]
    return [
        "A colour that is more likely wrong than right stays unsaid where the sentence stays whole "
        f"without it: on test in {test['shortened']} captions. Of the colours in whole captions "
        f"{_percent(whole['right'] / max(1, whole['named']))} are right, of those said "
        f"{_percent(said['right'] / max(1, said['named']))}; CIDEr changes by "
        f"{test['cider_change'][0]:+.1f}. The numbers of the wording are of what is said.",
        "",
    ]


def _refusals(refusals: Facts) -> list[str]:
    odd = ", ".join(f"{name} {_percent(share)}" for name, share in refusals["odd"].items())
    return [
        "A picture whose features are unlike the training's is not captioned. Refused are "
        f"{_percent(refusals['dev'], 1)} of dev's photographs and "
        f"{_percent(refusals['test'], 1)} of test's; of generated pictures that no photograph "
        f"resembles: {odd}. What passes is captioned as if it were a photograph.",
        "",
    ]


def _percent(share: float, decimals: int = 0) -> str:
    return f"{_PERCENT * share:.{decimals}f} %"
