"""Tables of two columns: a picture's file name, a tab, and what is known of the picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from training.errors import DatasetError


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
