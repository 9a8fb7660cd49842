"""The file of ``seealoud describe --output``: one row for each picture, in the sources' order.

Each row is written whole before the next picture is waited for, so a run that is killed loses no
row. A later run reads the file first and describes only what it has no row of. Invariant: nothing
that this program did not write is changed.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import logging
import os
import stat
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from seealoud.device.commands.report import one_line, write_error
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError, OutputError
from seealoud.device.records import Description

_LOGGER = logging.getLogger(__name__)
_CSV_FIELDS = ("source", "text", "caption", "probability", "reason", "things", "bundle")
_JSON_BEGINNING = '{"text":"'
_NEW_MODE = 0o666  # before the umask, as for any file


@dataclass(frozen=True, slots=True)
class Row:
    """A row that a file has.

    Attributes:
        key: the source that it is about, as this format writes it.
        text: the sentence.
        bundle: name of the bundle that made it; empty where the format does not say.
    """

    key: str
    text: str
    bundle: str = ""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How rows are written and read.

    Attributes:
        head: the line before the rows; empty if there is none.
        key: returns how a source is named in a row.
        write: returns the row of a description, without the line's end.
        read: returns what a line says, or None if no such row can have been written; the names
            are the keys of all sources.
    """

    head: str
    key: Callable[[str], str]
    write: Callable[[Description], str]
    read: Callable[[str, Set[str]], Row | None]


def _json_row(description: Description) -> str:
    from seealoud.device.mqtt.payloads import DescribedPart

    return DescribedPart.of(description).json_text()


def _read_json(line: str, names: Set[str]) -> Row | None:
    del names
    try:
        row = json.loads(line)
        return Row(str(row["source"]), str(row["text"]), str(row["bundle"]))
    except (ValueError, KeyError, TypeError):
        return None


def _csv_line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_row(description: Description) -> str:
    from seealoud.device.vision.sentences import name_things

    caption = description.caption
    assert caption is not None  # a command captions what it withholds as well
    chance = description.probability
    return _csv_line(
        (
            one_line(caption.frame_source),
            one_line(description.text),
            caption.text,
            "" if chance is None else f"{chance:.4f}",
            description.reason,
            name_things(description.things),
            caption.bundle,
        )
    )


def _read_csv(line: str, names: Set[str]) -> Row | None:
    del names
    cells = next(csv.reader([line]), [])
    return Row(cells[0], cells[1], cells[-1]) if len(cells) == len(_CSV_FIELDS) else None


def _text_row(description: Description) -> str:
    caption = description.caption
    assert caption is not None
    return f"{one_line(caption.frame_source)}: {one_line(description.text)}"


def _read_text(line: str, names: Set[str]) -> Row | None:
    # Both may contain a colon; the longest name that there is, is the right one.
    end = line.rfind(": ")
    while end > 0:
        if line[:end] in names:
            return Row(line[:end], line[end + 2 :])
        end = line.rfind(": ", 0, end)
    name, colon, text = line.partition(": ")
    return Row(name, text) if colon else None


_JSON_LINES = RowFormat("", str, _json_row, _read_json)
_CSV = RowFormat(_csv_line(_CSV_FIELDS), one_line, _csv_row, _read_csv)
_TEXT = RowFormat("", one_line, _text_row, _read_text)
_FORMATS = {".jsonl": _JSON_LINES, ".ndjson": _JSON_LINES, ".csv": _CSV, ".txt": _TEXT}


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no format.

    Raises:
        ConfigError: the suffix is another one.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(
            f"--output {path}: the suffix must be one of .jsonl (JSON lines), .csv and .txt"
        )


class ResultFile:
    """A ``seealoud.device.commands.sinks.Sink`` that adds a row for each description.

    Args:
        path: the file; it is made if it does not exist.
        sources: the names of all sources.
    """

    name = "the file of results"

    def __init__(self, path: Path, sources: Iterable[str]) -> None:
        """Open the file and read the rows that it has.

        Raises:
            ConfigError: its suffix names no format, or it has something else than such rows.
            OutputError: it cannot be read or written, or another process writes it.
        """
        check_suffix(path)
        self._path = path
        self._format = _FORMATS[path.suffix.lower()]
        names = dict.fromkeys(map(self._format.key, sources))
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _NEW_MODE)
        except OSError as exc:
            self._fail("cannot be opened", exc)
        try:
            self._claim()
            rows = self._existing(names.keys())
        except BaseException:
            os.close(self._fd)
            raise
        self._bundle = next((row.bundle for row in reversed(rows) if row.bundle), "")
        self._done: dict[str, list[str]] = {}
        for row in rows:
            self._done.setdefault(row.key, []).append(row.text)
        self._n_before, self._n_added = len(rows), 0

    def take_done(self, source: str) -> str | None:
        """Return the sentence of a source that has a row; each row counts for one source."""
        texts = self._done.get(self._format.key(source))
        return texts.pop(0) if texts else None

    def accept(self, description: Description) -> None:
        """Add a row.

        Raises:
            ConfigError: the rows before it are those of another bundle.
            OutputError: it cannot be written; the file is as it was before.
        """
        caption = description.caption
        assert caption is not None  # a command captions what it withholds as well
        if self._bundle not in ("", caption.bundle):
            raise ConfigError(
                f"{self._path} was begun with the bundle {self._bundle}, and this one is "
                f"{caption.bundle}: name another file, or give --bundle {self._bundle}"
            )
        self._append(self._format.write(description))
        self._n_added += 1

    @property
    def summary(self) -> str:
        """What was written, as a sentence."""
        added = counted(self._n_added, "picture")
        before = f"; {self._n_before} were there before" if self._n_before else ""
        return f"Added descriptions of {added} to {self._path}{before}."

    def close(self) -> None:
        """Force the rows to the disk.

        Raises:
            OutputError: the disk failed.
        """
        try:
            os.fsync(self._fd)
        except OSError as exc:
            self._fail("cannot be written", exc)
        finally:
            os.close(self._fd)

    def _claim(self) -> None:
        """Make sure that it is a file that ends, and that no other process writes rows to it."""
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise ConfigError(f"--output {self._path} is not a regular file: name another")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise OutputError(
                f"another seealoud describe writes {self._path} now: wait until it has ended, or "
                "name another file"
            ) from exc
        except OSError as exc:  # some network file systems have no locks
            _LOGGER.debug("%s cannot be locked: %s", self._path, exc)

    def _existing(self, names: Set[str]) -> list[Row]:
        """Return the rows of the file, after cutting off one that was not written whole."""
        try:
            with open(self._fd, "rb", closefd=False) as file:
                data = file.read()
        except OSError as exc:
            self._fail("cannot be read", exc)
        whole, end, torn = data.rpartition(b"\n")
        lines = whole.decode("utf-8", "replace").split("\n") if end else []
        head = self._format.head
        has_head = bool(lines) and bool(head) and lines[0] == head
        rows = [self._format.read(line, names) for line in lines[has_head:]]
        good = [row for row in rows if row is not None]
        is_foreign = len(good) < len(rows) or (bool(head) and bool(lines) and not has_head)
        if self._format is _TEXT and lines:
            is_foreign = is_foreign or not {row.key for row in good} & names
        if is_foreign or (torn and not lines and not self._is_begun(torn, names)):
            raise ConfigError(
                f"{self._path} has other contents than descriptions of these pictures, and is left "
                "as it is: name another file, or delete it"
            )
        os.ftruncate(self._fd, len(data) - len(torn))
        os.lseek(self._fd, 0, os.SEEK_END)
        if head and not has_head:
            self._append(head)
        return good

    def _is_begun(self, torn: bytes, names: Set[str]) -> bool:
        """Return whether the only line of a file is the beginning of one that would be written."""
        text = torn.decode("utf-8", "replace")
        firsts = [self._format.head] if self._format.head else [f"{name}: " for name in names]
        if self._format is _JSON_LINES:
            firsts = [_JSON_BEGINNING]
        return any(first.startswith(text) or text.startswith(first) for first in firsts)

    def _append(self, line: str) -> None:
        """Write a line whole, or not at all."""
        data = f"{line}\n".encode()
        before = os.lseek(self._fd, 0, os.SEEK_CUR)
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as exc:
            os.ftruncate(self._fd, before)
            os.lseek(self._fd, before, os.SEEK_SET)
            self._fail("cannot be written", exc)

    def _fail(self, what: str, exc: OSError) -> NoReturn:
        error = write_error(f"{self._path} {what}", exc)
        raise OutputError(f"{error}; the same command then continues where it stopped") from exc
