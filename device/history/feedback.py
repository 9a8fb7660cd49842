"""What users have reported as wrong, kept for a later training: picture, words said, right words.

A picture is kept only here, and only because somebody asked for it with this report. Each report is
a JSON file, and a JPEG beside it if its picture is kept; nobody but the daemon's user can read
them. ``export`` writes a folder as training reads it. Invariants: a report is kept whole or not at
all; no report is dropped for a new one.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from seealoud.device.errors import OutputError, RequestError
from seealoud.device.files import read_regular, write_atomically
from seealoud.device.pictures.decode import encode_jpeg
from seealoud.device.records import Frame

_LOGGER = logging.getLogger(__name__)
FEEDBACK_FOLDER = "feedback"
MOST_REPORTS = 1000
MOST_BYTES = 200 * 10**6
MAX_SAID_CHARS = 600
MAX_RIGHT_CHARS = 200
CAPTIONS, REPORTS, IMAGES = "captions.tsv", "reports.tsv", "images"
_FREE_IT = "save them with `seealoud feedback export FOLDER`, then run `seealoud feedback erase`"
_HEAD = ("id", "at", "picture", "said", "right")


@dataclass(frozen=True, slots=True)
class Report:
    """Something that was said and is wrong.

    Attributes:
        id: of the report; sorts by time.
        at: when it was reported, in UTC, as RFC 3339.
        said: the words that were said.
        right: what the picture shows, in the user's words; empty if they gave none.
        picture: name of the JPEG; empty if it is not kept.
    """

    id: str
    at: str
    said: str
    right: str = ""
    picture: str = ""


class FeedbackSize(NamedTuple):
    """How much is kept: reports, and bytes on the disk."""

    reports: int
    size_bytes: int


class Feedback:
    """The reports in a folder; all methods from any thread, and beside another process.

    Args:
        folder: it is created with the first report.
        frame_of: returns the frame of which a text was said, if it is still in memory.
    """

    def __init__(
        self, folder: Path, frame_of: Callable[[str], Frame | None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._frame_of = frame_of
        self._lock = threading.Lock()

    def add(self, said: str, right: str = "", *, is_picture_kept: bool) -> Report:
        """Keep a report; to call this is the user's consent to keep the picture.

        Args:
            said: the words as they were said.
            right: what the picture shows; may be empty.
            is_picture_kept: whether the picture is kept as well.

        Raises:
            RequestError: the words are missing or too long, the picture is no longer in memory, or
                there is no room for more reports.
            OutputError: the disk refuses it.
        """
        said, right = _checked(said, MAX_SAID_CHARS, "text"), _one_line(right)
        if right:
            _checked(right, MAX_RIGHT_CHARS, "right")
        jpeg = self._jpeg(said) if is_picture_kept else b""
        now = datetime.now(UTC)
        own_id = f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(2)}"
        name = f"{own_id}.jpg" if jpeg else ""
        report = Report(own_id, now.isoformat(timespec="seconds"), said, right, name)
        with self._lock:
            self._make_room(len(jpeg))
            try:
                if jpeg:
                    write_atomically(self._folder / name, jpeg)
                line = json.dumps(asdict(report), ensure_ascii=False).encode()
                write_atomically(self._folder / f"{own_id}.json", line)
            except OSError as exc:
                if jpeg:
                    with suppress(OSError):
                        (self._folder / name).unlink()
                raise OutputError(f"the report cannot be saved in {self._folder}: {exc}") from exc
        return report

    def reports(self) -> Iterator[Report]:
        """Yield all reports, the oldest first; one that cannot be read is logged and left out."""
        for path in sorted(self._files("*.json")):
            try:
                yield _stored(read_regular(path))
            except (OSError, ValueError, TypeError) as exc:
                _LOGGER.warning("the report %s cannot be read: %s", path, exc)

    def size(self) -> FeedbackSize:
        """Return how much is kept."""
        reports = size_bytes = 0
        for path in self._files("*"):
            with suppress(FileNotFoundError):  # erased meanwhile
                size_bytes += path.stat().st_size
                reports += path.suffix == ".json"
        return FeedbackSize(reports, size_bytes)

    def export(self, folder: Path) -> None:
        """Write all reports as training reads them into a folder that does not exist yet.

        ``captions.tsv`` has the right words of the pictures, ``images`` the pictures, and
        ``reports.tsv`` everything, with the words that were said.

        Raises:
            OutputError: the folder exists already, or cannot be written.
        """
        if folder.exists():
            raise OutputError(f"{folder} exists already: name a folder that does not exist")
        try:
            new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                (new / IMAGES).mkdir()
                for name, data in self._exported():
                    (new / name).write_bytes(data)
                new.rename(folder)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        except OSError as exc:
            raise OutputError(f"{folder} cannot be written: {exc}") from exc

    def export_zip(self, file: BinaryIO) -> None:
        """Write the files of ``export`` as a ZIP archive.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with zipfile.ZipFile(file, "w") as archive:  # a JPEG cannot be compressed further
                for name, data in self._exported():
                    archive.writestr(name, data)
        except OSError as exc:
            raise OutputError(f"the reports cannot be exported: {exc}") from exc

    def erase(self) -> FeedbackSize:
        """Erase everything for good; return how much that was.

        Raises:
            OutputError: something cannot be erased.
        """
        with self._lock:
            erased = self.size()
            try:
                for path in self._files("*"):
                    path.unlink(missing_ok=True)
            except OSError as exc:
                raise OutputError(f"{self._folder} cannot be erased: {exc}") from exc
        return erased

    def _jpeg(self, said: str) -> bytes:
        frame = self._frame_of(said)
        if frame is None:
            raise RequestError(
                "the picture of these words is no longer in memory: only the last one is; report "
                "them without the picture, or describe the scene again"
            )
        return encode_jpeg(frame.image_hwc)

    def _make_room(self, more_bytes: int) -> None:
        """Return if a report of so many bytes can be kept.

        Raises:
            RequestError: it cannot.
        """
        reports, size_bytes = self.size()
        if reports >= MOST_REPORTS or size_bytes + more_bytes > MOST_BYTES:
            raise RequestError(
                f"{reports} reports of {size_bytes / 1e6:.0f} MB are kept, and there is no room "
                f"for more: {_FREE_IT}"
            )

    def _files(self, pattern: str) -> list[Path]:
        # What begins with a dot was left by a power cut; "*" finds it as well.
        return [path for path in self._folder.glob(pattern) if path.is_file()]

    def _exported(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and contents of each file of an export."""
        captions, rows = [], ["\t".join(_HEAD)]
        for report in self.reports():
            picture = report.picture
            if picture:
                yield f"{IMAGES}/{picture}", read_regular(self._folder / Path(picture).name)
            rows.append("\t".join((report.id, report.at, picture, report.said, report.right)))
            if picture and report.right:
                captions.append(f"{picture}\t{report.right}")
        for name, lines in ((CAPTIONS, captions), (REPORTS, rows)):
            yield name, "".join(f"{line}\n" for line in lines).encode()


def _stored(data: bytes) -> Report:
    """Return a report of a file.

    Raises:
        ValueError: it is damaged, or its picture is elsewhere: root may write the export.
        TypeError: a field is missing or unknown.
    """
    report = Report(**json.loads(data))
    if not all(isinstance(value, str) for value in asdict(report).values()):
        raise ValueError("a value is not text")
    if report.picture not in ("", f"{report.id}.jpg") or "/" in report.id:
        raise ValueError(f"its picture is not its own: {report.picture[:80]!r}")
    return report


def _one_line(text: str) -> str:
    return " ".join("".join(x if x.isprintable() else " " for x in text).split())


def _checked(text: str, most_chars: int, name: str) -> str:
    """Return a text in one line.

    Raises:
        RequestError: it is empty or too long.
    """
    line = _one_line(text)
    if not line:
        raise RequestError(f"{name} is empty: give the words")
    if len(line) > most_chars:
        raise RequestError(
            f"{name} has {len(line)} characters, and at most {most_chars} are accepted"
        )
    return line
