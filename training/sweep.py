"""Which search serves a trained run best: every beam width and length penalty, on dev alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from device.decoding import SearchOptions
from training.config import RunConfig
from training.data.dataset import CaptionedPicture
from training.evaluate import caption_cached, score_captions
from training.features import load_features
from training.metrics.scores import Scores
from training.model import BuiltCaptioner

BEAM_WIDTHS = (1, 2, 3, 4, 5)
LENGTH_PENALTIES = (0.5, 0.7, 0.9, 1.1)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One search and dev's scores under it."""

    options: SearchOptions
    scores: Scores


def sweep(
    config: RunConfig, built: BuiltCaptioner, pictures: Sequence[CaptionedPicture]
) -> Iterator[SearchResult]:
    """Yield the scores of every search; greedy search knows no length penalty, so it comes once."""
    features = load_features(built.source, pictures)
    for width in BEAM_WIDTHS:
        for penalty in LENGTH_PENALTIES if width > 1 else LENGTH_PENALTIES[:1]:
            options = SearchOptions(width, config.text.max_words, penalty)
            said = caption_cached(built, pictures, features, options)
            scores, _ = score_captions(said, pictures, with_meteor=False)
            yield SearchResult(options, scores)
