"""Captioned pictures in three splits, and the rules that the result of every reader follows.

Nothing of dev or test may be learned, so captions that training shares with them are dropped.
People write the same short sentence about different pictures ("two dogs playing in the snow"):
0.5 % of the training captions occur word for word in dev or test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from seealoud.training.errors import DatasetError
from seealoud.training.text import words_of

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_NAMED_IN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture's file and its captions.

    Attributes:
        name: the file name, unique in the data set.
        path: the file.
        captions: sentences as written, at least one.
    """

    name: str
    path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set in three splits that share no picture.

    Attributes:
        train: pictures to learn from.
        dev: pictures to choose by.
        test: pictures to report on.
        root: its folder.
        extra: folders of further pictures, by the name that a run's settings give them.
    """

    train: tuple[CaptionedPicture, ...]
    dev: tuple[CaptionedPicture, ...]
    test: tuple[CaptionedPicture, ...]
    root: Path = Path()
    extra: Mapping[str, Path] = field(default_factory=dict)

    def extra_folder(self, name: str) -> Path:
        """Return the folder of further pictures: the given one, else the one beside the root."""
        return self.extra.get(name, self.root.absolute().parent / name)

    def split(self, name: Split) -> tuple[CaptionedPicture, ...]:
        """Return the pictures of one split."""
        pictures: tuple[CaptionedPicture, ...] = getattr(self, name)
        return pictures


def assemble(
    captions: Mapping[str, Sequence[str]], splits: Mapping[Split, Sequence[str]], images: Path
) -> Dataset:
    """Return the data set of captions by picture name, split lists and a folder of pictures.

    Raises:
        DatasetError: a split is empty, a picture is in two splits or twice in one, a listed
            picture has no caption or no file, or a caption names a picture without a file.
    """
    _refuse_overlap(splits)
    _refuse(
        [split for split in SPLITS if not splits[split]],
        "splits without a picture",
        "training needs all three",
    )
    present = {path.name for path in images.iterdir()} if images.is_dir() else set()
    if not present:
        raise DatasetError(f"no pictures in {images}: unpack the data set's pictures there")
    _refuse(
        [name for name in captions if name not in present],
        f"captions without a picture in {images}",
        "unpack the missing pictures or remove their captions",
    )
    listed = [name for split in SPLITS for name in splits[split]]
    _refuse(
        [name for name in listed if name not in present],
        f"pictures of the split lists missing in {images}",
        "unpack the missing pictures or correct the lists",
    )
    _refuse(
        [name for name in listed if not captions.get(name)],
        "pictures of the split lists without a caption",
        "add their captions or take them off the lists",
    )
    train, dev, test = (
        tuple(
            CaptionedPicture(name, images / name, tuple(captions[name])) for name in splits[split]
        )
        for split in SPLITS
    )
    return Dataset(train, dev, test)


def _refuse_overlap(splits: Mapping[Split, Sequence[str]]) -> None:
    seen: dict[str, str] = {}
    for split in SPLITS:
        for name in splits[split]:
            if name in seen:
                where = (
                    f"twice in {split}" if seen[name] == split else f"in {seen[name]} and {split}"
                )
                raise DatasetError(
                    f"picture {name} is {where}: a picture belongs to one split only"
                )
            seen[name] = split


def _refuse(names: Sequence[str], what: str, next_step: str) -> None:
    if names:
        shown = ", ".join(names[:_NAMED_IN_ERRORS])
        more = (
            "" if len(names) <= _NAMED_IN_ERRORS else f" and {len(names) - _NAMED_IN_ERRORS} more"
        )
        raise DatasetError(f"{len(names)} {what}: {shown}{more}; {next_step}")


def held_out_captions(dataset: Dataset) -> frozenset[tuple[str, ...]]:
    """Return the words of every caption of dev and test."""
    return frozenset(
        tuple(words_of(caption))
        for picture in (*dataset.dev, *dataset.test)
        for caption in picture.captions
    )


def without_held_out_captions(dataset: Dataset) -> Dataset:
    """Return the data set without those training captions that also occur in dev or test.

    A picture whose captions are all shared is left out of training.
    """
    return replace(dataset, train=drop_captions(dataset.train, held_out_captions(dataset)))


def drop_captions(
    pictures: Iterable[CaptionedPicture], held_out: frozenset[tuple[str, ...]]
) -> tuple[CaptionedPicture, ...]:
    """Return the pictures without the held-out captions.

    Args:
        pictures: the pictures for training.
        held_out: captions as lists of words; a picture without any other caption is left out.
    """
    kept = (
        replace(
            picture,
            captions=tuple(c for c in picture.captions if tuple(words_of(c)) not in held_out),
        )
        for picture in pictures
    )
    return tuple(picture for picture in kept if picture.captions)
