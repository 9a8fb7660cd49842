"""Readers of the three usual forms; ``open_dataset`` finds out which one a folder holds.

Original: ``Flickr8k.token.txt``, three ``Flickr_8k.*Images.txt`` lists, pictures.
Kaggle: ``captions.txt`` (CSV ``image,caption``), ``Images/``; the split lists if they are there,
else the official split of Flickr8k, whose lists of names come with this module; pictures that are
not Flickr8k's are split by a hash of the name, the same on every machine, with a warning.
COCO: a JSON with ``images`` and ``annotations``; either one file with a ``split`` per image
(Karpathy's form, ``sentences`` inside) or one file per split.
"""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import lzma
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.data.dataset import SPLITS, Dataset, Split, assemble
from training.errors import DatasetError

_LOGGER = logging.getLogger(__name__)
_TOKEN_FILE = "Flickr8k.token.txt"
# The names of the three published lists in their order, one "SPLIT NAME" a line.
_OFFICIAL = Path(__file__).parent / "flickr8k_split.txt.xz"
# Of the captioned pictures, from which on a folder is Flickr8k: 8000 of the 8091 are listed.
_LEAST_OFFICIAL = 0.5
_SPLIT_FILES: dict[Split, str] = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
# Captioned in the published token file, but its picture was never published.
_NEVER_PICTURED = "2258277193_586949ec62.jpg.1"
_IMAGE_FOLDERS = ("images", "Images", "Flicker8k_Dataset", "Flickr8k_Dataset")
# As Flickr8k's 6000/1000/1000, in eighths, for pictures without split lists.
_EIGHTHS: tuple[Split, ...] = ("train",) * 6 + ("dev", "test")
_SPLIT_OF_COCO_NAME: dict[str, Split] = {
    "train": "train", "restval": "train", "val": "dev", "dev": "dev", "test": "test",
}  # fmt: skip

Captions = dict[str, list[str]]
Splits = dict[Split, list[str]]


def default_data() -> Path:
    """Return where Flickr8k is looked for when no folder is given."""
    return Path(os.environ.get("SEEALOUD_FLICKR8K", "../shared/flickr8k"))


def open_dataset(root: Path, extra: Mapping[str, Path] | None = None) -> Dataset:
    """Return the data set in a folder, whichever of the three forms it has.

    Args:
        root: the folder.
        extra: folders of further pictures by name; default: those beside the root.

    Raises:
        DatasetError: the folder is missing, of no known form, or its parts disagree.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder {root}: give the data set's folder with --data")
    return replace(_reader(root)(root), root=root, extra=dict(extra or {}))


def _reader(root: Path) -> Callable[[Path], Dataset]:
    if (root / _TOKEN_FILE).is_file():
        return read_original
    if (root / "captions.txt").is_file():
        return read_kaggle
    if list(root.glob("*.json")):
        return read_coco
    raise DatasetError(
        f"{root} holds neither {_TOKEN_FILE}, nor captions.txt, nor a COCO caption JSON: "
        "is it the right folder?"
    )


def read_original(root: Path) -> Dataset:
    """Read Flickr8k as its authors published it.

    Raises:
        DatasetError: a file is missing or malformed, or the parts disagree.
    """
    captions: Captions = {}
    for number, line in _read_lines(root / _TOKEN_FILE):
        key, tab, sentence = line.partition("\t")
        name, mark, _ = key.rpartition("#")
        if not tab or not mark or not sentence.strip():
            raise DatasetError(
                f"{root / _TOKEN_FILE} line {number} is {line[:60]!r}, "
                "expected NAME#NUMBER<tab>SENTENCE"
            )
        captions.setdefault(name, []).append(sentence.strip())
    captions.pop(_NEVER_PICTURED, None)
    return assemble(captions, _read_split_lists(root), _find_images(root))


def read_kaggle(root: Path) -> Dataset:
    """Read the Kaggle form: a CSV of image and caption beside a folder of pictures.

    Raises:
        DatasetError: a file is missing or malformed, or the parts disagree.
    """
    path = root / "captions.txt"
    # Line by line: in copies that do not quote, an odd quotation mark would swallow what follows.
    rows = ((number, next(csv.reader([line]))) for number, line in _read_lines(path))
    _, header = next(rows, (1, []))
    if [cell.strip() for cell in header] != ["image", "caption"]:
        raise DatasetError(f"{path} begins with {header!r}, expected the header image,caption")
    captions: Captions = {}
    for number, row in rows:
        # Some copies do not quote a comma inside the sentence.
        sentence = ",".join(row[1:]).strip()
        if not sentence:
            raise DatasetError(f"{path} line {number} is {row!r}, expected image,caption")
        captions.setdefault(row[0].strip(), []).append(sentence)
    has_lists = any((root / name).is_file() for name in _SPLIT_FILES.values())
    splits = _read_split_lists(root) if has_lists else _split_without_lists(root, captions)
    return assemble(captions, splits, _find_images(root))


def read_coco(root: Path) -> Dataset:
    """Read COCO caption JSON: Karpathy's single file, or one file per split.

    Raises:
        DatasetError: no file is of either form, a split is missing, or the parts disagree.
    """
    captions: Captions = {}
    splits: Splits = {split: [] for split in SPLITS}
    for path in sorted(root.glob("*.json")):
        content = _read_json(path)
        if not isinstance(content, dict):
            continue
        if "annotations" in content:
            _take_coco(path, content, captions, splits)
        elif "images" in content:
            _take_karpathy(path, content, captions, splits)
    missing = [split for split in SPLITS if not splits[split]]
    if missing:
        raise DatasetError(
            f"no pictures for the splits {', '.join(missing)} in the JSON files of {root}: "
            "name the files with train, val (or dev) and test, or give each image a split"
        )
    return assemble(captions, splits, _find_images(root))


def _take_coco(path: Path, content: Any, captions: Captions, splits: Splits) -> None:
    split = next((s for mark, s in _SPLIT_OF_COCO_NAME.items() if mark in path.stem.lower()), None)
    if split is None:
        raise DatasetError(
            f"cannot determine the split of {path}: put train, val or test in its name"
        )
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        pairs = [(names[a["image_id"]], str(a["caption"]).strip()) for a in content["annotations"]]
    except (KeyError, TypeError) as exc:
        raise DatasetError(f"{path} is not COCO caption JSON: {exc!r} is missing") from exc
    splits[split].extend(names.values())
    for name, sentence in pairs:
        captions.setdefault(name, []).append(sentence)


def _take_karpathy(path: Path, content: Any, captions: Captions, splits: Splits) -> None:
    try:
        for image in content["images"]:
            name = str(image["filename"])
            splits[_SPLIT_OF_COCO_NAME[image["split"]]].append(name)
            captions[name] = [str(sentence["raw"]).strip() for sentence in image["sentences"]]
    except (KeyError, TypeError) as exc:
        raise DatasetError(f"{path} is not a caption JSON of Karpathy's form: {exc!r}") from exc


def _read_split_lists(root: Path) -> Splits:
    return {split: _read(root / file).split() for split, file in _SPLIT_FILES.items()}


def _split_without_lists(root: Path, captions: Captions) -> Splits:
    """Return the official split if the pictures are Flickr8k's, else one by hash."""
    official = {
        split: [name for name in names if name in captions]
        for split, names in official_split().items()
    }
    n_listed = sum(map(len, official.values()))
    if n_listed < _LEAST_OFFICIAL * len(captions):
        _LOGGER.warning(
            "%s has no split lists and its pictures are not Flickr8k's: they are split by a hash "
            "of their names, so scores cannot be compared with published ones; add %s for a split "
            "of your own",
            root,
            ", ".join(_SPLIT_FILES.values()),
        )
        return _split_by_hash(captions)
    _LOGGER.info(
        "%s has no split lists: the official split of Flickr8k is used (%s pictures; %d on no "
        "list are left out)",
        root,
        ", ".join(f"{split} {len(names)}" for split, names in official.items()),
        len(captions) - n_listed,
    )
    return official


def official_split() -> Splits:
    """Return the names of Flickr8k's published lists, in their order."""
    splits: Splits = {split: [] for split in SPLITS}
    by_name: dict[str, Split] = {split: split for split in SPLITS}
    with lzma.open(_OFFICIAL, "rt", encoding="ascii") as file:
        for line in file:
            split, _, name = line.rstrip("\n").partition(" ")
            splits[by_name[split]].append(name)
    return splits


def _split_by_hash(captions: Captions) -> Splits:
    splits: Splits = {split: [] for split in SPLITS}
    for name in sorted(captions):
        splits[_EIGHTHS[hashlib.sha256(name.encode()).digest()[0] % len(_EIGHTHS)]].append(name)
    return splits


def _find_images(root: Path) -> Path:
    found = [root / name for name in _IMAGE_FOLDERS if (root / name).is_dir()]
    return found[0] if found else root


def _read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank with their numbers, from 1.

    Only at line feeds: ``splitlines`` would cut a caption at a Unicode line separator as well.
    """
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if line.strip():
            yield number, line


def _read(path: Path) -> str:
    text: str = _wrapped(path, lambda: path.read_text(encoding="utf-8-sig"))
    return text


def _read_json(path: Path) -> Any:
    return _wrapped(path, lambda: json.loads(path.read_text(encoding="utf-8")))


def _wrapped(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (OSError, ValueError) as exc:
        raise DatasetError(f"cannot read {path}: {exc}") from exc
