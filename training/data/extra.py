"""Captioned pictures in addition to the main data set, all of them for training.

A folder has one of two forms. The pictures are in ``images/`` or beside the table.

- ``captions.tsv`` (file name, tab, sentence); a picture may have several lines.
- Rooms: ``labels.tsv`` (file name, tab, kind of room), and optionally ``things.tsv`` (the things
  that people asked about, separated by ``|``) and ``detected.tsv`` (what another detector found,
  ``NAME:SCORE:AREA`` separated by blanks). Their captions are put together from these facts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from seealoud.device.english import indefinite
from seealoud.device.vision.sentences import listed
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.errors import DatasetError
from seealoud.training.text import words_of

CAPTIONS_TABLE = "captions.tsv"
IMAGES = "images"

# Words of alternative texts on web pages that advertise or name what no picture shows.
_NOT_SEEN_WORDS = (
    "stock image images photo photos photograph photographic illustration vector logo poster print "
    "wallpaper cartoon art artwork painting drawing clipart icon template collage screenshot "
    "actor actress singer rapper celebrity politician premiere stills pop film movie season "
    "event festival product brand slim sale price inch ml oz pdf edition album cover"
)
_NOT_SEEN = frozenset(_NOT_SEEN_WORDS.split())
_ARTICLES = frozenset(("a", "an", "the", "another", "one", "this", "each", "that", "every"))
_SHORTEST, _LONGEST = 4, 17  # words; longer sentences would be cut (text.max_words)

LABELS_TABLE = "labels.tsv"
THINGS_TABLE = "things.tsv"
_DETECTED_TABLE = "detected.tsv"
_LEAST_SCORE = 0.5  # of another detector's finds: below it too many are wrong
_MOST_THINGS = 3  # in a caption
_LEAST_ASKED = 10  # pictures whose questions name a thing
_NUMBER = r"\d*\.?\d+"
_FIND = re.compile(rf"([a-z_ ]+):({_NUMBER}):({_NUMBER})")
_NAMES = {
    "tv": "screen", "sofa": "couch", "dining table": "table", "potted plant": "plant",
    "cell phone": "phone", "garbage bin": "bin", "hair drier": "hair dryer", "monitor": "screen",
    "shelves": "shelf", "night stand": "nightstand",
}  # fmt: skip
# Words of the questions about rooms that do not suit a caption.
_NOT_SAID_WORDS = (
    "paper papers object unknown clothes stuff floor wall ceiling item magnet hole stand notecards "
    "person decoration container sheets cables drawer board holder indoor cream"
)
_NOT_SAID = frozenset(_NOT_SAID_WORDS.split())


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
    images = root / IMAGES if (root / IMAGES).is_dir() else root
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


def room_captions(root: Path) -> dict[str, list[str]]:
    """Return the captions of a folder's rooms by file name; rooms without any facts have none.

    Raises:
        DatasetError: a table cannot be read.
    """
    kinds = _cells(root / LABELS_TABLE)
    asked = {name: cell.split("|") for name, cell in _cells(root / THINGS_TABLE).items()}
    detected = _cells(root / _DETECTED_TABLE)
    often = _often_asked(asked)
    captions: dict[str, list[str]] = {}
    for name in sorted({*kinds, *asked}):
        things = [
            *_detected(detected.get(name, "")),
            *(thing for thing in asked.get(name, ()) if thing in often),
        ]
        if made := list(room_sentences(kinds.get(name, ""), _said(things))):
            captions[name] = made
    return captions


def _cells(path: Path) -> dict[str, str]:
    return {name: cell for _, name, cell in rows(path)} if path.is_file() else {}


def _often_asked(asked: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the things of one word that were asked about often enough to be learned."""
    counts = Counter(thing for of_picture in asked.values() for thing in set(of_picture))
    return frozenset(
        thing for thing, count in counts.items() if count >= _LEAST_ASKED and "_" not in thing
    )


def _detected(cell: str) -> Iterator[str]:
    """Yield what a detector is sure of, the largest first."""
    finds = [(name, float(score), float(area)) for name, score, area in _FIND.findall(cell)]
    for name, score, _ in sorted(finds, key=lambda find: -find[2]):
        if score >= _LEAST_SCORE:
            yield name.strip()


def _said(names: Sequence[str]) -> list[str]:
    """Return everyday names, each once, at most as many as a caption takes."""
    said: dict[str, None] = {}
    for name in names:
        plain = name.replace("_", " ").strip().lower()
        plain = _NAMES.get(plain, plain)
        if plain and plain not in _NOT_SAID:
            said.setdefault(plain)
    return list(said)[:_MOST_THINGS]


def room_sentences(room: str, things: Sequence[str]) -> Iterator[str]:
    """Yield sentences on a room and what is in it: "a kitchen with an oven and a sink".

    Args:
        room: its kind, or "" where it is unknown.
        things: everyday names, singular.
    """
    named = listed([indefinite(thing) for thing in things])
    place = indefinite(room) if room else "a room"
    if named:
        yield f"{place} with {named}"
    if room and not named:
        yield f"a view of {place}"
    for thing in things[:2]:
        yield f"{indefinite(thing)} in {place}"


def rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield each line's number, from 1, and its two cells; blank lines are skipped.

    The second cell may be empty, and may hold tabs. Lines end only at line feeds:
    ``splitlines`` would cut a caption at a Unicode line separator as well.

    Raises:
        DatasetError: the file cannot be read, or a line has no tab or no file name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read {path}: {exc}") from exc
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            name, tab, rest = line.partition("\t")
            if not (tab and name.strip()):
                raise DatasetError(
                    f"{path} line {number} is {line[:60]!r}, expected a file name and a tab"
                )
            yield number, name.strip(), rest.strip()
