"""Sentences without pictures, to teach the decoder its language before it sees any.

Every sentence is read with an empty grid as its picture: cross-attention then adds a constant,
and what is learned (embeddings, self-attention, feed-forward) carries over to pictures.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.batches import CaptionedFeatures
from training.data.dataset import CaptionedPicture
from training.errors import DatasetError
from training.model import BuiltCaptioner, feature_shape

_ENVIRONMENT = "SEEALOUD_SENTENCES"
_PROJECT = Path(__file__).resolve().parent.parent
_DEFAULT = _PROJECT.parent / "shared" / "flickr30k_text" / "captions.tsv"


def default_sentences() -> Path:
    """Return ``$SEEALOUD_SENTENCES``, else ``../shared/flickr30k_text/captions.tsv``."""
    return Path(os.environ.get(_ENVIRONMENT, _DEFAULT))


def read_sentences(path: Path) -> tuple[CaptionedPicture, ...]:
    """Return the sentences of a tab-separated file, those of one picture together.

    Args:
        path: lines of picture name, tab, sentence; UTF-8. The pictures are never looked for.

    Raises:
        DatasetError: the file is missing, empty, or a line has no tab.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(
            f"cannot read the sentences {path}: {exc}; set ${_ENVIRONMENT} to a file of lines "
            "'name<TAB>sentence'"
        ) from exc
    of_picture: defaultdict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        name, tab, sentence = line.partition("\t")
        if not (tab and sentence.strip()):
            raise DatasetError(f"{path}, line {number}: expected 'name<TAB>sentence', is {line!r}")
        of_picture[name].append(sentence)
    if not of_picture:
        raise DatasetError(f"{path} has no sentences")
    return tuple(CaptionedPicture(name, path, tuple(said)) for name, said in of_picture.items())


def without_pictures(
    sentences: Sequence[CaptionedPicture], built: BuiltCaptioner, max_words: int
) -> CaptionedFeatures:
    """Return the sentences as batches see captions, each picture an empty grid."""
    shape = (len(sentences), *feature_shape(built.source))
    # One zero seen from everywhere: a real array of 30,000 grids would fill 4 GB.
    empty = np.broadcast_to(np.zeros((), np.float16), shape)
    return CaptionedFeatures(sentences, [empty], built.vocabulary, max_words)
