"""``python -m seealoud.training.names.make``: the reviewed rules as a table, one row a class.

Each class takes the name whose source is nearest above it in WordNet 3.0 (Debian:
``wordnet-base``), whose database files are read for words and broader nouns; their format is
described in the manual page wndb(5WN). The order of the classes comes from the PyPI package
``timm`` (Apache-2.0), which is only unpacked, never imported.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from seealoud.training.command_line import run_program
from seealoud.training.errors import DatasetError
from seealoud.training.names.everyday import HEADER, N_CLASSES, NEVER_SAID, TABLE, Rules, read_rules

_SYNSETS_IN_TIMM = "timm/data/_info/imagenet_synsets.txt"

_BROADER = ("@", "@i")  # hypernym, and that of an instance
_POINTER_FIELDS = 4


def read_synsets(wheel: Path) -> list[str]:
    """Return the 1000 synsets ("n01440764") of ImageNet's classes, in the classifiers' order.

    Raises:
        DatasetError: the file is no wheel of timm.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            synsets = archive.read(_SYNSETS_IN_TIMM).decode().split()
    except (OSError, KeyError, zipfile.BadZipFile) as exc:
        raise DatasetError(
            f"cannot read {_SYNSETS_IN_TIMM} in {wheel}: {exc}; fetch it with "
            "pip download --no-deps timm==1.0.31"
        ) from exc
    if len(synsets) != N_CLASSES:
        raise DatasetError(f"{wheel} lists {len(synsets)} classes, expected {N_CLASSES}")
    return synsets


def roll_up(rules: Rules, wordnet: WordNet, offsets: Sequence[int]) -> list[str]:
    """Return the name of each class.

    Args:
        rules: the reviewed names.
        wordnet: nouns that include every class.
        offsets: the classes' meanings.

    Raises:
        DatasetError: a source is of no class, a class has no name, or two that are as near.
    """
    above = [wordnet.distances(offset) for offset in offsets]
    claims: list[dict[str, int]] = [{} for _ in offsets]
    sources = [(s, NEVER_SAID) for s in rules.never]
    sources += [(s, found.name) for found in rules.names.values() for s in found.sources]
    for source, name in sources:
        for row, distance in _covered(source, wordnet, offsets, above).items():
            claims[row][name] = min(distance, claims[row].get(name, distance))
    return [_nearest(wordnet.nouns[o].words[0], c) for o, c in zip(offsets, claims, strict=True)]


def _covered(
    source: str, wordnet: WordNet, offsets: Sequence[int], above: Sequence[Mapping[int, int]]
) -> dict[int, int]:
    """Return how many steps below a source each class is that it covers, by the class's index."""
    if source.isdigit():
        return {int(source): 0}
    word = source.lower()
    named = [r for r, o in enumerate(offsets) if word in map(str.lower, wordnet.nouns[o].words)]
    if named:
        return dict.fromkeys(named, 0)
    for sense in wordnet.senses.get(word, ()):
        covered = {row: steps[sense] for row, steps in enumerate(above) if sense in steps}
        if covered:
            return covered
    raise DatasetError(f"names.txt: {source!r} is of no ImageNet class: correct it")


def _nearest(word: str, claims: Mapping[str, int]) -> str:
    if not claims:
        raise DatasetError(f"names.txt: the class {word!r} has no name: add it, or to '-'")
    nearest = sorted(claims, key=lambda name: claims[name])
    if len(nearest) > 1 and claims[nearest[0]] == claims[nearest[1]]:
        raise DatasetError(f"names.txt: the class {word!r} is {nearest[0]} and {nearest[1]}")
    return nearest[0]


@click.command()
@click.option("--timm", type=click.Path(path_type=Path), required=True, help="timm's wheel.")
@click.option(
    "--wordnet",
    type=click.Path(path_type=Path),
    default=Path("/usr/share/wordnet"),
    show_default=True,
    help="Folder of WordNet 3.0's dict files.",
)
def cli(timm: Path, wordnet: Path) -> None:
    """Write everyday_names.tsv from names.txt."""
    synsets, nouns = read_synsets(timm), read_wordnet(wordnet)
    offsets = [int(synset[1:]) for synset in synsets]
    names = roll_up(read_rules(), nouns, offsets)
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(HEADER)
        for row, (synset, offset, name) in enumerate(zip(synsets, offsets, names, strict=True)):
            writer.writerow([row, synset, ", ".join(nouns.nouns[offset].words), name])
    click.echo(f"wrote {TABLE}: {len(set(names)) - 1} names, {names.count(NEVER_SAID)} never said")


if __name__ == "__main__":
    run_program(cli, "seealoud.training.names.make")


@dataclass(frozen=True, slots=True)
class Noun:
    """One meaning.

    Attributes:
        words: its synonyms, with blanks.
        broader: the offsets of its hypernyms.
    """

    words: tuple[str, ...]
    broader: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordNet:
    """Meanings by their offset in ``data.noun``, and the offsets of a word, commonest first."""

    nouns: Mapping[int, Noun]
    senses: Mapping[str, tuple[int, ...]]

    def distances(self, offset: int) -> dict[int, int]:
        """Return how many steps up each broader meaning is, the meaning itself at 0."""
        found, front = {offset: 0}, [offset]
        while front:
            now = front.pop(0)
            for above in self.nouns[now].broader:
                if above not in found:
                    found[above] = found[now] + 1
                    front.append(above)
        return found


def read_wordnet(folder: Path) -> WordNet:
    """Return the nouns of a folder with ``data.noun`` and ``index.noun``.

    Raises:
        DatasetError: a file is missing or malformed.
    """
    nouns, senses = {}, {}
    for line in _lines(folder / "data.noun"):
        try:
            offset, noun = _noun(line.split(" | ")[0].split())
            nouns[offset] = noun
        except (IndexError, ValueError) as exc:
            raise DatasetError(f"{folder / 'data.noun'}: {line[:40]!r} is no noun: {exc}") from exc
    for line in _lines(folder / "index.noun"):
        fields = line.split()
        n_senses = int(fields[2])
        senses[fields[0].replace("_", " ")] = tuple(int(o) for o in fields[-n_senses:])
    return WordNet(nouns, senses)


def _noun(fields: list[str]) -> tuple[int, Noun]:
    n_words = int(fields[3], 16)
    words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * n_words : 2])
    at = 4 + 2 * n_words
    pointers = fields[at + 1 : at + 1 + _POINTER_FIELDS * int(fields[at])]
    broader = tuple(
        int(offset)
        for kind, offset in zip(
            pointers[::_POINTER_FIELDS], pointers[1::_POINTER_FIELDS], strict=True
        )
        if kind in _BROADER
    )
    return int(fields[0]), Noun(words, broader)


def _lines(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as exc:
        raise DatasetError(
            f"cannot read {path}: {exc}; install Debian's wordnet-base or give the folder of "
            "WordNet 3.0's dict files with --wordnet"
        ) from exc
    # The licence at the top of each file is indented.
    return (line for line in text.splitlines() if line and not line.startswith(" "))
