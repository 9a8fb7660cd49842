"""Checks of a bundle's captions as the device uses them, that no score of the training covers.

    python -m tools.caption_checks said [--split test]  precision and share said over the limits
    python -m tools.caption_checks chosen  scores of the likeliest, chosen and spoken captions
    python -m tools.caption_checks words  different words over test and household

Everything goes through the device's own code.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from seealoud.device.records import Hypothesis
from seealoud.device.vision.bundle import Bundle, find_bundle, load_bundle
from seealoud.device.vision.confidence import Confidence
from seealoud.device.vision.evidence import ConfidenceArrays
from seealoud.training.confidence.observe import choose, observe
from seealoud.training.confidence.said import speak as spoken_words
from seealoud.training.data.dataset import SPLITS, CaptionedPicture
from seealoud.training.data.readers import open_dataset
from seealoud.training.evaluate import caption_with_bundle, score_captions
from seealoud.training.homes import speak
from seealoud.training.metrics.lexicon import KINDS, LEXICONS
from seealoud.training.text import words_of
from seealoud.training.train import household_pictures

LIMITS = (0.0, 0.125, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)


def said(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> None:
    """Print the precision of what captions mention, by the least probability that is said."""
    confidence = _confidence(bundle)
    observations = choose(observe(bundle, pictures), confidence)
    rows = []
    for picture in pictures:
        seen = observations[picture.name]
        found = confidence.trusted(seen.hypothesis, seen.pooled_d, seen.scores)
        references = [words_of(caption) for caption in picture.captions]
        mentions = {
            kind: [
                LEXICONS[kind].confirms(one, LEXICONS[kind].mentions_of_any(references))
                for one in LEXICONS[kind].mentions(found.text.split())
            ]
            for kind in KINDS
        }
        rows.append((found.probability or 0.0, mentions))
    print("limit\tsaid\t" + "\t".join(KINDS) + "\tnothing wrong")
    for limit in LIMITS:
        chosen = [mentions for probability, mentions in rows if probability >= limit]
        if not chosen:
            break
        shares = [np.mean([ok for one in chosen for ok in one[kind]] or [False]) for kind in KINDS]
        whole = [any(one.values()) and all(map(all, one.values())) for one in chosen]
        cells = [len(chosen) / len(rows), *shares, np.mean(whole)]
        print(f"{limit}\t" + "\t".join(f"{cell:.3f}" for cell in cells))


def chosen(bundle: Bundle, sets: Mapping[str, Sequence[CaptionedPicture]]) -> None:
    """Print the scores of the likeliest caption, of the one that is used, and of its words."""
    confidence = _confidence(bundle)
    print("pictures\tcaptions\tCIDEr\tBLEU-4\tMETEOR\tROUGE-L\tdistinct words\t" + "\t".join(KINDS))
    for name, pictures in sets.items():
        seen = observe(bundle, pictures)
        used = choose(seen, confidence)
        cases = {
            "likeliest": {one: found.n_best[0] for one, found in seen.items()},
            "chosen": {one: found.hypothesis for one, found in used.items()},
            "spoken": {
                one: Hypothesis(found.text, 0.0, 0.0)
                for one, found in spoken_words(confidence, used).items()
            },
        }
        for case, captions in cases.items():
            _, metrics = score_captions(captions, pictures)
            cells = [
                f"{metrics.cider.estimate:.2f}",
                f"{metrics.bleu_4.estimate:.2f}",
                "-" if metrics.meteor is None else f"{metrics.meteor:.2f}",
                f"{metrics.rouge_l.estimate:.2f}",
                str(metrics.distinct_words),
                *(
                    f"{t.right / max(1, t.mentioned):.3f}"
                    for t in map(metrics.precision.get, KINDS)
                    if t
                ),
            ]
            print(f"{name}\t{case}\t" + "\t".join(cells), flush=True)


def words(bundle: Bundle, sets: Sequence[Sequence[CaptionedPicture]]) -> None:
    """Print how many different words the captions have, by set and over all; then with things."""
    all_words: set[str] = set()
    sentences: set[str] = set()
    for pictures in sets:
        captions = caption_with_bundle(bundle.path, pictures)
        found = {word for one in captions.values() for word in one.text.split()}
        all_words |= found
        print(f"captions of {len(pictures)} pictures: {len(found)} different words")
        for one in speak(bundle, pictures):
            sentences |= set(words_of(one.sentence)) | set(one.bare.split())
    print(f"captions of all: {len(all_words)}; with all that is said beside them: {len(sentences)}")


def _confidence(bundle: Bundle) -> Confidence:
    spec = bundle.manifest.confidence
    if spec is None:
        raise SystemExit(f"bundle {bundle.name} has no confidence")
    return Confidence(spec, ConfidenceArrays.read(bundle.confidence, spec))


def main() -> None:
    """Run one of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("check", choices=("said", "chosen", "words"))
    parser.add_argument("--bundle", help="name or folder; default: the one that ships")
    parser.add_argument("--data", type=Path, default=Path("../shared/flickr8k"))
    parser.add_argument("--split", choices=SPLITS, default="dev", help="of the check 'said'")
    options = parser.parse_args()
    bundle = load_bundle(find_bundle(options.bundle))
    dataset = open_dataset(options.data)
    household = household_pictures(dataset)
    if options.check == "said":
        said(bundle, dataset.split(options.split))
    elif options.check == "chosen":
        chosen(bundle, {"dev": dataset.dev, "test": dataset.test, "household": household})
    else:
        words(bundle, (dataset.test, household))


if __name__ == "__main__":
    main()
