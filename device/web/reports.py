"""Reports of wrong sentences: kept with the consent of whoever sends them, exported and erased."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import BinaryIO

from flask import Response, abort
from pydantic import ValidationError

from seealoud.device.errors import OutputError, RequestError
from seealoud.device.requests import refusal_of
from seealoud.device.web.asking import json_body
from seealoud.device.web.messages import FeedbackKept, NewReport, ReportKept
from seealoud.device.web.sources import PageSources

_JSON = "application/json"
_ZIP = "application/zip"
_MOST_BYTES = 4096
_CHUNK_BYTES = 2**16


class Reports:
    """The operations on reports; called while a request is answered.

    Args:
        sources: parts of the daemon.
    """

    def __init__(self, sources: PageSources) -> None:
        self._feedback = sources.feedback
        self._state = sources.state
        self._export_room = threading.Lock()

    def add(self) -> Response:
        """Keep the report in the body."""
        try:
            new = NewReport.model_validate_json(json_body(_MOST_BYTES))
            kept = self._feedback.add(new.text, new.right, is_picture_kept=new.is_picture_kept)
        except ValidationError as exc:
            abort(HTTPStatus.UNPROCESSABLE_ENTITY, refusal_of(exc.errors(include_url=False)[0]))
        except RequestError as exc:
            abort(HTTPStatus.CONFLICT, str(exc))
        except OutputError as exc:
            abort(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))
        answer = ReportKept(id=kept.id, at=kept.at, is_picture_kept=bool(kept.picture))
        return Response(answer.model_dump_json(), mimetype=_JSON)

    def size(self) -> Response:
        """Return how much is kept."""
        reports, size_bytes = self._feedback.size()
        return _kept(reports, size_bytes)

    def erase(self) -> Response:
        """Erase everything, and return how much that was."""
        try:
            reports, size_bytes = self._feedback.erase()
        except OutputError as exc:
            abort(HTTPStatus.SERVICE_UNAVAILABLE, str(exc))
        return _kept(reports, size_bytes)

    def export(self) -> Response:
        """Return everything as a ZIP archive, which training reads."""
        if not self._export_room.acquire(blocking=False):
            abort(
                HTTPStatus.TOO_MANY_REQUESTS,
                "the reports are being exported already: try again later",
            )
        try:
            # It has no name, and takes no memory; only one is made at a time.
            file = tempfile.TemporaryFile(dir=self._state)  # noqa: SIM115 - the answer closes it
            self._feedback.export_zip(file)
        except BaseException as exc:
            self._export_room.release()
            if isinstance(exc, OSError | OutputError):
                abort(HTTPStatus.SERVICE_UNAVAILABLE, f"the reports cannot be exported: {exc}")
            raise
        size_bytes = file.tell()
        file.seek(0)
        response = Response(self._chunks(file), mimetype=_ZIP)
        response.call_on_close(self._export_room.release)
        response.headers["Content-Length"] = str(size_bytes)
        response.headers["Content-Disposition"] = 'attachment; filename="seealoud-feedback.zip"'
        return response

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        with closing(file):
            yield from iter(lambda: file.read(_CHUNK_BYTES), b"")


def _kept(reports: int, size_bytes: int) -> Response:
    answer = FeedbackKept.model_validate({"entries": reports, "bytes": size_bytes})
    return Response(answer.model_dump_json(by_alias=True), mimetype=_JSON)
