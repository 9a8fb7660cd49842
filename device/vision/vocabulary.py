"""Words and their ids, stored in a file of the bundle.

Invariant: line number = id, and the first four lines are the special marks in the order of
``SPECIALS``. Training writes the file, the device only reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seealoud.device.errors import BundleError

PAD, START, END, UNKNOWN = range(4)
SPECIALS = ("<pad>", "<start>", "<end>", "<unknown>")


@dataclass(frozen=True)
class Vocabulary:
    """A fixed list of words.

    Attributes:
        words: every word by its id, the special marks first.
    """

    words: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.words[: len(SPECIALS)] != SPECIALS:
            raise BundleError(
                f"vocabulary begins with {self.words[: len(SPECIALS)]!r}, expected {SPECIALS!r}: "
                "the file is not one of SeeAloud's; export the bundle again"
            )
        for number, word in enumerate(self.words):
            if word.split() != [word]:  # in the file it would not be exactly one line
                raise BundleError(
                    f"vocabulary: {word!r} (line {number + 1}) is not one word; "
                    "export the bundle again"
                )
        ids = {word: number for number, word in enumerate(self.words)}
        if len(ids) != len(self.words):
            raise BundleError("vocabulary names a word twice; export the bundle again")
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def from_words(cls, words: Iterable[str]) -> Vocabulary:
        """Return a vocabulary of the special marks and then ``words`` in their order."""
        return cls((*SPECIALS, *words))

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Return the vocabulary in a file.

        Raises:
            BundleError: the file is missing, not UTF-8 or not a vocabulary.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise BundleError(f"cannot read the vocabulary {path}: {exc}") from exc
        return cls(tuple(text.splitlines()))

    def write(self, path: Path) -> None:
        """Write one word a line, UTF-8."""
        path.write_text("\n".join(self.words) + "\n", encoding="utf-8")

    def encode(self, words: Iterable[str]) -> list[int]:
        """Return the ids of ``words``; an unknown word becomes ``UNKNOWN``."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words of ``ids`` joined by blanks, special marks left out."""
        return " ".join(self.words[i] for i in ids if i >= len(SPECIALS))
