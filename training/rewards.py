"""Rewards of sampled captions, each judged by the references of its picture.

Sentence BLEU: Papineni et al. 2002; counts of 2- to 4-grams smoothed by one after Lin and Och 2004
(ORANGE), since a single sentence often has no 4-gram right. Reports use ``metrics.scores``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training import views
from seealoud.training.batches import Batch
from seealoud.training.config import SelfCriticalConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.metrics.cider import CiderReward
from seealoud.training.metrics.java import SentenceMeteor
from seealoud.training.metrics.mentions import MentionCounts, RepeatCounts
from seealoud.training.metrics.things import ThingCounts, WrongThings
from seealoud.training.text import words_of

Ids = npt.NDArray[np.int32]
Sentences = list[list[str]]

_ORDER = 4
Ngram = tuple[str, ...]


class Rewards:
    """The rewards of captions of one or more data sets.

    CIDEr's document frequencies are each data set's own: so Flickr8k is rewarded as if it were
    alone, and words that occur in every caption of rooms ("with a") have no weight there. The
    scales agree anyhow: on captions of 150 training pictures of each set, three a picture, they
    differ between a picture's captions by 0.17 (Flickr8k), 0.07 (web_captions) and 0.02 (rooms),
    and with frequencies of all sets together by 0.17, 0.06 and 0.08 (correlation of both: 0.99,
    0.99, 0.94).

    Args:
        data_sets: the pictures of each data set, in the order of a step's batches, and which
            things count as wrong there when no caption of the picture names them.
        vocabulary: the words of the samples' ids.
        config: the weights.

    Raises:
        TrainingError: METEOR is asked for and Java is missing.
    """

    def __init__(
        self,
        data_sets: Sequence[tuple[Sequence[CaptionedPicture], WrongThings]],
        vocabulary: Vocabulary,
        config: SelfCriticalConfig,
    ) -> None:
        self._meteor = SentenceMeteor() if config.meteor_weight else None
        self._of_set = [
            CaptionRewards(pictures, vocabulary, config, wrong_things, self._meteor)
            for pictures, wrong_things in data_sets
        ]

    def of(self, parts: Sequence[Batch], ids_nkt: Ids) -> npt.NDArray[np.float32]:
        """Return the reward of each caption, float32 [pictures of all parts, captions].

        Args:
            parts: a batch of each data set.
            ids_nkt: ids of the captions, int32 [pictures of all parts, captions, words].
        """
        ends = np.cumsum([len(part.pictures) for part in parts])[:-1]
        by_part = zip(self._of_set, parts, np.split(ids_nkt, ends), strict=True)
        return np.concatenate([rewards.of(part, ids) for rewards, part, ids in by_part])

    def close(self) -> None:
        """End METEOR's process."""
        if self._meteor is not None:
            self._meteor.close()


class CaptionRewards:
    """CIDEr-D (0..10), BLEU-4 and METEOR (0..1), mentions, things and repeats, weighted and added.

    All against the training references of the captions' pictures.
    """

    def __init__(
        self,
        pictures: Sequence[CaptionedPicture],
        vocabulary: Vocabulary,
        config: SelfCriticalConfig,
        wrong_things: WrongThings = "all",
        meteor: SentenceMeteor | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._config = config
        self._meteor = meteor
        self._names = [picture.name for picture in pictures]
        plain = {p.name: [words_of(caption) for caption in p.captions] for p in pictures}
        self._mirrored = _mirrored(plain)
        self._references = {**plain, **self._mirrored}
        self._cider = CiderReward(self._references)
        self._bleu = SentenceBleu(self._references)
        self._mentions = MentionCounts(self._references)
        self._things = ThingCounts(self._references, wrong_things)
        self._repeats = RepeatCounts(self._references)

    def of(self, batch: Batch, ids_nkt: Ids) -> npt.NDArray[np.float32]:
        """Return the reward of each caption, float32 [pictures, captions]."""
        keys, said = [], []
        for picture, view, of_picture in zip(batch.pictures, batch.views, ids_nkt, strict=True):
            key = self._key(self._names[picture], int(view))
            for ids in of_picture:
                keys.append(key)
                said.append(self._vocabulary.decode(ids).split())
        config = self._config
        right, wrong = self._mentions.counts(keys, said).T
        right_things, wrong_things = self._things.counts(keys, said).T
        total = (
            self._cider.scores(keys, said)
            + config.bleu_weight * self._bleu.scores(keys, said)
            + config.right_mention_weight * right
            - config.wrong_mention_weight * wrong
            + config.right_thing_weight * right_things
            - config.wrong_thing_weight * wrong_things
            - config.repeat_weight * self._repeats.counts(keys, said)
        )
        if self._meteor is not None:
            wanted = [self._references[key] for key in keys]
            total = total + config.meteor_weight * self._meteor.scores(wanted, said)
        return np.asarray(total, dtype=np.float32).reshape(ids_nkt.shape[:2])

    def _key(self, name: str, view: int) -> str:
        mirrored = _mirrored_key(name)
        return mirrored if views.is_mirrored(view) and mirrored in self._mirrored else name


def _mirrored(plain: Mapping[str, Sentences]) -> dict[str, Sentences]:
    """Return the references that differ in the mirror, under separate names."""
    mirrored = {
        name: [views.mirror_words(words) for words in sentences]
        for name, sentences in plain.items()
    }
    return {_mirrored_key(name): s for name, s in mirrored.items() if s != plain[name]}


def _mirrored_key(name: str) -> str:
    return f"{name} mirrored"


class SentenceBleu:
    """Smoothed BLEU-4 of hypotheses, 0..1.

    Args:
        references: words of each reference by picture name.
    """

    def __init__(self, references: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._counts = {name: _largest_counts(sentences) for name, sentences in references.items()}
        self._lengths = {
            name: [len(s) for s in sentences] for name, sentences in references.items()
        }

    def scores(
        self, names: Sequence[str], hypotheses: Sequence[Sequence[str]]
    ) -> npt.NDArray[np.float32]:
        """Return the BLEU of each hypothesis, float32 [n]."""
        pairs = zip(names, hypotheses, strict=True)
        return np.array([self._score(name, words) for name, words in pairs], dtype=np.float32)

    def _score(self, name: str, words: Sequence[str]) -> float:
        if not words:
            return 0.0
        references, logs = self._counts[name], 0.0
        for order in range(1, _ORDER + 1):
            counts = Counter(_ngrams(words, order))
            right = sum(min(n, references[ngram]) for ngram, n in counts.items())
            smoothing = 0 if order == 1 else 1
            if right + smoothing == 0:
                return 0.0
            logs += math.log((right + smoothing) / (max(0, len(words) - order + 1) + smoothing))
        closest = min(self._lengths[name], key=lambda n: (abs(n - len(words)), n))
        brevity = min(0.0, 1 - closest / len(words))
        return math.exp(logs / _ORDER + brevity)


def _largest_counts(sentences: Sequence[Sequence[str]]) -> Counter[Ngram]:
    """Return for each n-gram the most often that one reference has it."""
    largest: Counter[Ngram] = Counter()
    for words in sentences:
        for order in range(1, _ORDER + 1):
            largest |= Counter(_ngrams(words, order))
    return largest


def _ngrams(words: Sequence[str], order: int) -> list[Ngram]:
    return [tuple(words[i : i + order]) for i in range(len(words) - order + 1)]
