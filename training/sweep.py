"""Which search serves a trained run best, on dev alone: rare words' bonus, then beam and length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.config import RunConfig, SearchConfig
from training.data.dataset import CaptionedPicture
from training.evaluate import caption_cached, score_captions, search_options
from training.features import Features, load_features
from training.model import BuiltCaptioner
from training.rare_words import rare_word_bias
from training.report.record import Metrics

RARE_WORD_BONUSES = (0.0, 0.05, 0.1, 0.2, 0.3)
BEAM_WIDTHS = (1, 2, 3, 4, 5)
LENGTH_PENALTIES = (0.5, 0.7, 0.9, 1.1)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One search and dev's scores under it."""

    search: SearchConfig
    metrics: Metrics


def sweep(
    config: RunConfig, built: BuiltCaptioner, pictures: Sequence[CaptionedPicture]
) -> Iterator[SearchResult]:
    """Yield the scores of every bonus with the run's own search, then of every search.

    The bonus that gave the best CIDEr is kept while beam widths and length penalties are tried.
    """
    features = load_features(built.source, pictures)
    best = config.search
    best_cider = -1.0
    for bonus in RARE_WORD_BONUSES:
        search = config.search.model_copy(update={"rare_word_bonus": bonus})
        result = _score(config, search, built, (pictures, features))
        if result.metrics.cider.estimate > best_cider:
            best, best_cider = search, result.metrics.cider.estimate
        yield result
    for width in BEAM_WIDTHS:
        # Greedy search knows no length penalty.
        for penalty in LENGTH_PENALTIES if width > 1 else LENGTH_PENALTIES[:1]:
            tried = {"beam_width": width, "length_penalty": penalty}
            search = best.model_copy(update=tried)
            yield _score(config, search, built, (pictures, features))


def _score(
    config: RunConfig,
    search: SearchConfig,
    built: BuiltCaptioner,
    dev: tuple[Sequence[CaptionedPicture], Features],
) -> SearchResult:
    """Score one search; the run's own bonus is in the weights already."""
    pictures, features = dev
    bias, size = built.model.decoder.word_bias, built.model.decoder.size
    own = bias.numpy()
    more = search.rare_word_bonus - config.search.rare_word_bonus
    bias.assign(own + rare_word_bias(size.n_words, 1.0) * more)
    try:
        tried = config.model_copy(update={"search": search})
        said = caption_cached(built, pictures, features, search_options(tried))
    finally:
        bias.assign(own)
    _, metrics = score_captions(said, pictures, with_meteor=False)
    return SearchResult(search, metrics)
