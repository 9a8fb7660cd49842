"""What each part of the search brings: one thing is changed at a time, on dev alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from device.records import Hypothesis
from training.config import RunConfig
from training.data.dataset import CaptionedPicture
from training.evaluate import (
    caption_cached,
    score_captions,
    search_features,
    search_options,
)
from training.features import Features
from training.metrics.bootstrap import paired_bootstrap
from training.metrics.scores import Scores
from training.model import BuiltCaptioner
from training.report.record import Bounds, Metrics
from training.report.search_choice import TriedSearch

OWN = "the run's own search"
# One at a time instead of the run's own. Greedy search knows no length penalty.
CHANGES: tuple[Mapping[str, float], ...] = (
    *({"mirrored": mirrored} for mirrored in (False, True)),
    *({"beam_width": width} for width in (1, 2, 3, 5, 8)),
    *({"length_penalty": penalty} for penalty in (0.0, 0.7, 1.0, 1.3, 1.6)),
)


def sweep(
    config: RunConfig, built: BuiltCaptioner, pictures: Sequence[CaptionedPicture]
) -> Iterator[TriedSearch]:
    """Yield dev's scores under the run's own search and under every change of it."""
    both = config.model_copy(update={"search": config.search.model_copy(update={"mirrored": True})})
    tries = _Tries(built, pictures, search_features(both, built, pictures))
    own, own_metrics = tries.scores(tries.said(config))
    yield TriedSearch(what=OWN, metrics=own_metrics, change=None)
    for change in CHANGES:
        tried = _with(config, change)
        if tried.search == config.search:
            continue
        yield _tried(_name(change), own, *tries.scores(tries.said(tried)))


class _Tries:
    """A captioner and the features of both images of dev's pictures."""

    def __init__(
        self,
        built: BuiltCaptioner,
        pictures: Sequence[CaptionedPicture],
        seen: tuple[Features, ...],
    ) -> None:
        self._built, self._pictures, self._seen = built, pictures, seen

    def said(self, config: RunConfig) -> dict[str, Hypothesis]:
        seen = self._looked_at(config)
        return caption_cached(self._built, self._pictures, seen, search_options(config))

    def scores(self, said: Mapping[str, Hypothesis]) -> tuple[Scores, Metrics]:
        scores, metrics = score_captions(said, self._pictures, with_meteor=False)
        return scores, metrics.model_copy(update={"cider_n": None})  # the change is paired already

    def _looked_at(self, config: RunConfig) -> tuple[Features, ...]:
        return self._seen if config.search.mirrored else self._seen[:1]


def _tried(what: str, own: Scores, scores: Scores, metrics: Metrics) -> TriedSearch:
    change = Bounds.of(paired_bootstrap(scores, own))
    return TriedSearch(what=what, metrics=metrics, change=change)


def _with(config: RunConfig, change: Mapping[str, float]) -> RunConfig:
    return config.model_copy(update={"search": config.search.model_copy(update=dict(change))})


def _name(change: Mapping[str, float]) -> str:
    ((key, value),) = change.items()
    return f"{key} = {value}"
