"""Scores of captions by the COCO protocol; the only numbers that SeeAloud reports.

BLEU (Papineni et al. 2002), METEOR (Denkowski and Lavie 2014), ROUGE-L (Lin 2004) and CIDEr-D
(Vedantam et al. 2015) are pycocoevalcap's own code on PTB tokens; all of them times 100 here.
Pictures are kept in the order of their names, so that two results on the same pictures align.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.java import meteor_score
from seealoud.training.metrics.tokenise import Tokens, tokenise

PERCENT = 100.0
BLEU_ORDERS = 4

_NAMED_AT_MOST = 5


@dataclass(frozen=True, eq=False)
class Scores:
    """The protocol's scores of one caption per picture; every metric is times 100.

    Attributes:
        names: pictures, sorted.
        bleu_1: BLEU of 1-grams over the whole corpus, closest reference length.
        bleu_2: the same up to 2-grams.
        bleu_3: the same up to 3-grams.
        bleu_4: the same up to 4-grams.
        meteor: METEOR 1.5, or None where Java is missing or it was not asked for.
        rouge_l: mean ROUGE-L.
        cider: mean CIDEr-D.
        distinct_words: different words in all captions together.
        distinct_captions: different captions.
        mean_length_words: mean words of a caption, punctuation not counted.
        cider_n: float64 [pictures], CIDEr-D of each picture.
        rouge_l_n: float64 [pictures], ROUGE-L of each picture.
        bleu_counts_nk: int64 [pictures, 10], what BLEU sums: 4 numbers of right n-grams, 4 of
            all n-grams, words of the caption, words of the closest reference.
    """

    names: tuple[str, ...]
    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    meteor: float | None
    rouge_l: float
    cider: float
    distinct_words: int
    distinct_captions: int
    mean_length_words: float
    cider_n: npt.NDArray[np.float64]
    rouge_l_n: npt.NDArray[np.float64]
    bleu_counts_nk: npt.NDArray[np.int64]


def score(
    hypotheses: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    cache_dir: Path | None = None,
    with_meteor: bool = True,
) -> Scores:
    """Return the scores of one caption per picture against all its references.

    Args:
        hypotheses: caption by picture name.
        references: people's captions by picture name; the same names. They alone decide the
            document frequencies of CIDEr, as the protocol has it.
        cache_dir: keeps the references' tokens from call to call; None keeps nothing.
        with_meteor: METEOR takes half a minute on 1000 pictures; False leaves it out.

    Raises:
        TrainingError: the names differ, a picture has no reference, or Java failed.
    """
    _check_names(hypotheses, references)
    names = tuple(sorted(references))
    reference_tokens = tokenise({name: references[name] for name in names}, cache_dir)
    hypothesis_tokens = tokenise({name: [hypotheses[name]] for name in names})
    return score_tokens(
        {name: tokens for name, (tokens,) in hypothesis_tokens.items()},
        reference_tokens,
        with_meteor=with_meteor,
    )


def score_tokens(
    hypotheses: Mapping[str, Tokens],
    references: Mapping[str, Sequence[Tokens]],
    *,
    with_meteor: bool = True,
) -> Scores:
    """Return what ``score`` does, of captions that are PTB tokens already.

    Raises:
        TrainingError: as ``score``.
    """
    _check_names(hypotheses, references)
    names = tuple(sorted(references))
    said = {name: [" ".join(hypotheses[name])] for name in names}
    wanted = {name: [" ".join(tokens) for tokens in references[name]] for name in names}
    bleu, bleu_counts_nk = _bleu(said, wanted)
    rouge_l, rouge_l_n = Rouge().compute_score(wanted, said)
    cider, cider_n = Cider().compute_score(wanted, said)
    meteor = meteor_score(wanted, said) if with_meteor else None
    lengths = [len(hypotheses[name]) for name in names]
    bleu_1, bleu_2, bleu_3, bleu_4 = (PERCENT * value for value in bleu)
    return Scores(
        names=names,
        bleu_1=bleu_1,
        bleu_2=bleu_2,
        bleu_3=bleu_3,
        bleu_4=bleu_4,
        meteor=None if meteor is None else PERCENT * meteor,
        rouge_l=PERCENT * float(rouge_l),
        cider=PERCENT * float(cider),
        distinct_words=len({word for tokens in hypotheses.values() for word in tokens}),
        distinct_captions=len({caption for (caption,) in said.values()}),
        mean_length_words=float(np.mean(lengths)),
        cider_n=PERCENT * np.asarray(cider_n, dtype=np.float64),
        rouge_l_n=PERCENT * np.asarray(rouge_l_n, dtype=np.float64),
        bleu_counts_nk=bleu_counts_nk,
    )


def _check_names(
    hypotheses: Mapping[str, object], references: Mapping[str, Sequence[object]]
) -> None:
    missing = references.keys() - hypotheses.keys()
    extra = hypotheses.keys() - references.keys()
    bare = {name for name, of_picture in references.items() if not of_picture}
    problems = [
        f"{len(names)} {what} ({_some(names)})"
        for names, what in (
            (missing, "pictures have no caption"),
            (extra, "captions are of pictures without references"),
            (bare, "pictures have an empty list of references"),
        )
        if names
    ]
    if problems:
        raise TrainingError("cannot score: " + "; ".join(problems))
    if not references:
        raise TrainingError("cannot score: there are no pictures")


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_NAMED_AT_MOST])
    return shown if len(names) <= _NAMED_AT_MOST else f"{shown}, ..."


def _bleu(
    said: Mapping[str, list[str]], wanted: Mapping[str, list[str]]
) -> tuple[list[float], npt.NDArray[np.int64]]:
    """Return BLEU-1..4 in 0..1 and what each picture adds to them, int64 [pictures, 10]."""
    scorer = BleuScorer(n=BLEU_ORDERS)
    for name, (caption,) in said.items():
        scorer += (caption, wanted[name])
    bleu, _ = scorer.compute_score(option="closest")
    rows = []
    for picture in scorer.ctest:
        length = picture["testlen"]
        _, closest = min((abs(other - length), other) for other in picture["reflen"])
        rows.append([*picture["correct"], *picture["guess"], length, closest])
    return bleu, np.asarray(rows, dtype=np.int64)
