"""Captions of rooms, put together from what is known of each picture.

A folder of rooms holds ``labels.tsv`` (file name, tab, kind of room), and may hold ``things.tsv``
(the things that people asked about, separated by ``|``) and ``detected.tsv`` (what another
detector found, ``NAME:SCORE:AREA`` separated by blanks).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from device.english import indefinite
from device.vision.sentences import listed
from training.data.tables import rows

LABELS_TABLE = "labels.tsv"
_THINGS_TABLE = "things.tsv"
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
# Asked about in the rooms' questions, but no words for a caption.
_NOT_SAID_WORDS = (
    "paper papers object unknown clothes stuff floor wall ceiling item magnet hole stand notecards "
    "person decoration container sheets cables drawer board holder indoor cream"
)
_NOT_SAID = frozenset(_NOT_SAID_WORDS.split())


def room_captions(root: Path) -> dict[str, list[str]]:
    """Return the captions of a folder's rooms by file name; rooms of which nothing is known none.

    Raises:
        DatasetError: a table cannot be read.
    """
    kinds = _cells(root / LABELS_TABLE)
    asked = {name: cell.split("|") for name, cell in _cells(root / _THINGS_TABLE).items()}
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
