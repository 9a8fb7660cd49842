"""Captioned pictures in addition to the main data set, all of them for training.

Two forms: a folder with ``captions.tsv`` (file name, tab, sentence; a picture may have several
lines), and a folder of rooms (``rooms``). The pictures lie in ``images/`` or beside the table.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.data.dataset import CaptionedPicture
from training.data.rooms import LABELS_TABLE, room_captions
from training.data.tables import rows
from training.errors import DatasetError
from training.text import words_of

CAPTIONS_TABLE = "captions.tsv"
_IMAGES = "images"

# Alternative texts of web pages: what sells, names or counts things that no picture shows.
_NOT_SEEN_WORDS = (
    "stock image images photo photos photograph photographic illustration vector logo poster print "
    "wallpaper cartoon art artwork painting drawing clipart icon template collage screenshot "
    "actor actress singer rapper celebrity politician premiere stills pop film movie season "
    "event festival product brand slim sale price inch ml oz pdf edition album cover"
)
_NOT_SEEN = frozenset(_NOT_SEEN_WORDS.split())
_ARTICLES = frozenset(("a", "an", "the", "another", "one", "this", "each", "that", "every"))
_SHORTEST, _LONGEST = 4, 17  # words; longer sentences would be cut (text.max_words)


def open_extra(root: Path, *, plain_sentences: bool) -> tuple[CaptionedPicture, ...]:
    """Return the captioned pictures of a folder, sorted by name.

    Args:
        root: the folder.
        plain_sentences: leave out sentences that do not plainly describe the picture (advertising,
            names, numbers), as most alternative texts of the web are; rooms have none.

    Raises:
        DatasetError: the folder is missing or has neither form, a line of a table is wrong, a
            picture is missing, or no caption is left.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder {root} of captioned pictures")
    if (root / CAPTIONS_TABLE).is_file():
        captions = _sentences(root / CAPTIONS_TABLE, plain_sentences=plain_sentences)
    elif (root / LABELS_TABLE).is_file():
        captions = room_captions(root)
    else:
        raise DatasetError(
            f"{root} holds neither {CAPTIONS_TABLE} nor {LABELS_TABLE}: is it the right folder?"
        )
    if not captions:
        raise DatasetError(f"no caption of {root} can be used for training")
    images = root / _IMAGES if (root / _IMAGES).is_dir() else root
    _refuse_missing(captions, images)
    return tuple(
        CaptionedPicture(name, images / name, tuple(captions[name])) for name in sorted(captions)
    )


def _refuse_missing(captions: dict[str, list[str]], images: Path) -> None:
    present = {path.name for path in images.iterdir()}
    if missing := sorted(captions.keys() - present):
        raise DatasetError(
            f"{len(missing)} captioned pictures are not in {images}, the first of them "
            f"{missing[0]}: put them there or remove their lines"
        )


def _sentences(path: Path, *, plain_sentences: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for number, name, sentence in rows(path):
        if not sentence:
            raise DatasetError(f"{path} line {number} has no caption: expected FILE<tab>SENTENCE")
        if not plain_sentences or is_plain(sentence):
            found.setdefault(name, []).append(sentence)
    return found


def is_plain(sentence: str) -> bool:
    """Return whether a sentence plainly describes a picture."""
    words = words_of(sentence)
    if not _SHORTEST <= len(words) <= _LONGEST or re.search(r"\d", sentence):
        return False
    if not _NOT_SEEN.isdisjoint(words):
        return False
    # Names were replaced by "person" in some sources: "person in the kitchen" is not English.
    return all(
        at > 0 and words[at - 1] in _ARTICLES for at, word in enumerate(words) if word == "person"
    )
