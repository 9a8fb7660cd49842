"""Captioned pictures beside the main data set, all of them for training.

Two forms: a folder with ``captions.tsv`` (file name, tab, sentence; a picture may have several
lines), and a folder of rooms, whose captions are put together from labels (``labels.tsv``), the
things that people asked about (``things.tsv``) and another detector's finds (``detected.tsv``).
The pictures lie in ``images/`` or beside the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from device.vision.noun_phrases import indefinite, listed
from training.data.dataset import CaptionedPicture
from training.errors import DatasetError
from training.text import words_of

CAPTIONS_TABLE = "captions.tsv"
_LABELS_TABLE = "labels.tsv"
_THINGS_TABLE = "things.tsv"
_DETECTED_TABLE = "detected.tsv"
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
_SHORTEST, _LONGEST = 4, 17  # words; longer ones would be cut
# Another detector's finds are no truth: below this too many are wrong.
_LEAST_SCORE = 0.5
_MOST_THINGS = 3
_LEAST_ASKED = 10
_FIND = re.compile(r"([a-z_ ]+):([0-9.]+):([0-9.]+)")
_NAMES = {
    "tv": "screen", "sofa": "couch", "dining table": "table", "potted plant": "plant",
    "cell phone": "phone", "garbage bin": "bin", "hair drier": "hair dryer", "monitor": "screen",
    "teddy bear": "teddy bear", "shelves": "shelf", "night stand": "nightstand",
}  # fmt: skip
# Asked about in the rooms' questions, but no word for a caption.
_NOT_SAID_WORDS = (
    "paper papers object unknown clothes stuff floor wall ceiling item magnet hole stand notecards "
    "person decoration container sheets cables drawer board holder indoor cream"
)
_NOT_SAID = frozenset(_NOT_SAID_WORDS.split())


def open_extra(root: Path, *, plain_sentences: bool) -> tuple[CaptionedPicture, ...]:
    """Return the captioned pictures of a folder, sorted by name.

    Args:
        root: the folder.
        plain_sentences: leave out sentences that do not say plainly what is seen (advertising,
            names, numbers), as most alternative texts of the web are.

    Raises:
        DatasetError: the folder is missing, of neither form, or a picture or caption is missing.
    """
    if not root.is_dir():
        raise DatasetError(
            f"no folder {root}: give the folder of {root.name} with --extra {root.name}=DIR"
        )
    if (root / CAPTIONS_TABLE).is_file():
        captions = _sentences(root / CAPTIONS_TABLE, plain_sentences=plain_sentences)
    elif (root / _LABELS_TABLE).is_file():
        captions = _room_captions(root)
    else:
        raise DatasetError(f"{root} holds neither {CAPTIONS_TABLE} nor {_LABELS_TABLE}")
    images = root / _IMAGES if (root / _IMAGES).is_dir() else root
    present = {path.name for path in images.iterdir()}
    missing = sorted(captions.keys() - present)
    if missing:
        raise DatasetError(
            f"{len(missing)} pictures of {root} are missing in {images}: {missing[0]} and others"
        )
    if not captions:
        raise DatasetError(f"no caption of {root} can be used for training")
    return tuple(
        CaptionedPicture(name, images / name, tuple(captions[name])) for name in sorted(captions)
    )


def _sentences(path: Path, *, plain_sentences: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for number, (name, sentence) in _rows(path):
        if not sentence:
            raise DatasetError(f"{path} line {number} has no caption: expected FILE<tab>SENTENCE")
        if not plain_sentences or is_plain(sentence):
            found.setdefault(name, []).append(sentence)
    return found


def is_plain(sentence: str) -> bool:
    """Return whether a sentence says plainly what is seen."""
    words = words_of(sentence)
    if not _SHORTEST <= len(words) <= _LONGEST or re.search(r"\d", sentence):
        return False
    if not _NOT_SEEN.isdisjoint(words):
        return False
    # Names were replaced by "person" in some sources: "person in the kitchen" is no English.
    return all(
        at > 0 and words[at - 1] in _ARTICLES for at, word in enumerate(words) if word == "person"
    )


def _room_captions(root: Path) -> dict[str, list[str]]:
    rooms = dict(cells for _, cells in _rows(root / _LABELS_TABLE))
    things = {name: cells.split("|") for _, (name, cells) in _optional_rows(root / _THINGS_TABLE)}
    detected = {
        name: list(_detected(cells)) for _, (name, cells) in _optional_rows(root / _DETECTED_TABLE)
    }
    often = _often_asked(things)
    captions: dict[str, list[str]] = {}
    for name in sorted({*rooms, *things}):
        asked = [thing for thing in things.get(name, ()) if thing in often]
        seen = _said([*detected.get(name, ()), *asked])
        if made := list(room_sentences(rooms.get(name, ""), seen)):
            captions[name] = made
    return captions


def _often_asked(things: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the things of one word that were asked about often enough to be learned."""
    counts = Counter(thing for of_picture in things.values() for thing in set(of_picture))
    return frozenset(
        thing for thing, count in counts.items() if count >= _LEAST_ASKED and "_" not in thing
    )


def _detected(cells: str) -> Iterator[str]:
    """Yield what a detector is sure of, the largest first; a cell is ``NAME:SCORE:AREA`` each."""
    finds = [(name, float(score), float(area)) for name, score, area in _FIND.findall(cells)]
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


def _optional_rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    return _rows(path) if path.is_file() else iter(())


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the line's number, from 1, and its two cells; the second may be empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read {path}: {exc}") from exc
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            name, tab, rest = line.partition("\t")
            if not tab:
                raise DatasetError(f"{path} line {number} is {line[:60]!r}, expected a tab in it")
            yield number, (name.strip(), rest.strip())
