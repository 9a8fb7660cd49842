"""Which search serves a trained run best, on dev alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.config import RunConfig, SearchConfig
from training.data.dataset import CaptionedPicture
from training.evaluate import caption_cached, score_captions, search_features, search_options
from training.features import Features
from training.model import BuiltCaptioner
from training.rare_words import rare_word_bias
from training.report.record import Metrics

# Tried one after the other, each with the best of those before.
STAGES: tuple[tuple[dict[str, float], ...], ...] = (
    tuple({"mirrored": mirrored} for mirrored in (False, True)),
    tuple({"rare_word_bonus": bonus} for bonus in (0.0, 0.05, 0.1, 0.2, 0.3)),
    # Greedy search knows no length penalty.
    (
        {"beam_width": 1, "length_penalty": 0.7},
        *(
            {"beam_width": width, "length_penalty": penalty}
            for width in (2, 3, 4, 5)
            for penalty in (0.7, 0.9, 1.1, 1.3, 1.5)
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One search and dev's scores under it."""

    search: SearchConfig
    metrics: Metrics


def sweep(
    config: RunConfig, built: BuiltCaptioner, pictures: Sequence[CaptionedPicture]
) -> Iterator[SearchResult]:
    """Yield the scores of every search of ``STAGES``, in order."""
    both = config.model_copy(update={"search": config.search.model_copy(update={"mirrored": True})})
    seen = search_features(both, built, pictures)
    best = config.search
    for stage in STAGES:
        results = []
        for change in stage:
            search = best.model_copy(update=change)
            results.append(_score(config, search, built, (pictures, seen)))
            yield results[-1]
        best = max(results, key=lambda result: result.metrics.cider.estimate).search


def _score(
    config: RunConfig,
    search: SearchConfig,
    built: BuiltCaptioner,
    dev: tuple[Sequence[CaptionedPicture], tuple[Features, ...]],
) -> SearchResult:
    """Score one search; the run's own bonus is in the weights already."""
    pictures, seen = dev
    bias, size = built.model.decoder.word_bias, built.model.decoder.size
    own = bias.numpy()
    more = search.rare_word_bonus - config.search.rare_word_bonus
    bias.assign(own + rare_word_bias(size.n_words, 1.0) * more)
    try:
        tried = config.model_copy(update={"search": search})
        looked_at = seen if search.mirrored else seen[:1]
        said = caption_cached(built, pictures, looked_at, search_options(tried))
    finally:
        bias.assign(own)
    _, metrics = score_captions(said, pictures, with_meteor=False)
    return SearchResult(search, metrics)
