r"""Encodes and decodes the messages between the Piper process and its client; no I/O.

    client -> worker (stdin)   one JSON object a line:  {"id", "text", "length_scale", "volume"}
                                                        {"cancel": id}
    worker -> client (stdout)  one JSON header line, then exactly `bytes` bytes of raw
                               int16 little-endian mono PCM:
                               {"kind": "ready", "sample_rate_hz", "load_s", "bytes": 0}
                               {"kind": "audio", "id", "bytes": n}      for each sentence
                               {"kind": "end",   "id", "bytes": 0}      at the end, or if cancelled
                               {"kind": "error", "id", "message", "bytes": 0}

Anything else raises ValueError: the position in the stream is lost, and the process must be
started again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from seealoud.device.speech.pcm import SAMPLE_BYTES

# Far above any real message (a sentence is about 100 kB). The limits reject output that is not a
# reply, such as that of a print statement.
MAX_HEADER_BYTES = 1 << 16
MAX_AUDIO_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A text to be synthesised.

    Attributes:
        id: number of the request, chosen by the client and repeated in the replies.
        text: what is spoken.
        length_scale: factor of the duration; with 2.0 the speech takes twice as long.
        volume: factor of full scale, >= 0; 1.0 is the loudest without distortion.
    """

    id: int
    text: str
    length_scale: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancels the request with this id."""

    id: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The voice is loaded.

    Attributes:
        sample_rate_hz: sample rate of the voice, in samples per second.
        load_s: duration of its loading including imports, in seconds.
    """

    sample_rate_hz: int
    load_s: float


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound of one sentence: raw int16 little-endian mono PCM."""

    id: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The request is finished or was cancelled; no further sound follows."""

    id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A request failed; with ``id`` None, the voice cannot be loaded or a line is no request."""

    id: int | None
    message: str


Request = SpeechRequest | CancelRequest
Reply = Ready | Audio | End | Failure


def encode_request(request: Request) -> bytes:
    """Return the request as one line of JSON with a newline."""
    if isinstance(request, CancelRequest):
        return _line({"cancel": request.id})
    return _line(asdict(request))


def decode_request(line: bytes) -> Request:
    """Return the request that a line holds.

    Raises:
        ValueError: the line holds no request.
    """
    values = _json_object(line)
    try:
        if "cancel" in values:
            return CancelRequest(int(values["cancel"]))
        return SpeechRequest(
            int(values["id"]),
            str(values["text"]),
            float(values.get("length_scale", 1.0)),
            float(values.get("volume", 1.0)),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"not a speech request: {line[:80]!r}") from exc


def encode_reply(reply: Reply) -> bytes:
    """Return the reply as a header line, followed by the samples if it is audio."""
    match reply:
        case Audio(request_id, pcm):
            return _line({"kind": "audio", "id": request_id, "bytes": len(pcm)}) + pcm
        case Ready(sample_rate_hz, load_s):
            header = {"kind": "ready", "sample_rate_hz": sample_rate_hz, "load_s": load_s}
        case End(request_id):
            header = {"kind": "end", "id": request_id}
        case Failure(failed_id, message):
            header = {"kind": "error", "id": failed_id, "message": message}
    return _line({**header, "bytes": 0})


class ReplyDecoder:
    """Decodes replies from the byte stream of the worker, which arrives in arbitrary pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete with ``data``, in their order.

        Raises:
            ValueError: the stream does not follow this protocol.
        """
        self._buffer += data
        replies = []
        while (reply := self._take()) is not None:
            replies.append(reply)
        return replies

    def _take(self) -> Reply | None:
        if self._header is None:
            self._header = self._take_header()
        if self._header is None or len(self._buffer) < self._header["bytes"]:
            return None
        header, self._header = self._header, None
        body = bytes(self._buffer[: header["bytes"]])
        del self._buffer[: header["bytes"]]
        return _reply_from(header, body)

    def _take_header(self) -> dict[str, Any] | None:
        line, newline, _ = self._buffer.partition(b"\n")
        if len(line) > MAX_HEADER_BYTES:
            raise ValueError(f"no header in {MAX_HEADER_BYTES} bytes: {bytes(line[:80])!r}")
        if not newline:
            return None
        del self._buffer[: len(line) + 1]
        header = _json_object(bytes(line))
        size = header.get("bytes")
        if not isinstance(size, int) or not 0 <= size <= MAX_AUDIO_BYTES or size % SAMPLE_BYTES:
            raise ValueError(f"the header has an invalid size: {bytes(line[:80])!r}")
        return header


def _reply_from(header: dict[str, Any], body: bytes) -> Reply:
    try:
        match header["kind"]:
            case "audio":
                return Audio(int(header["id"]), body)
            case "end":
                return End(int(header["id"]))
            case "error":
                return Failure(header["id"], str(header["message"]))
            case "ready":
                return Ready(int(header["sample_rate_hz"]), float(header["load_s"]))
    except (KeyError, TypeError) as exc:
        raise ValueError(f"the header lacks a field: {header!r}") from exc
    raise ValueError(f"unknown kind of reply: {header!r}")


def _line(values: dict[str, Any]) -> bytes:
    # In ASCII, lone surrogates and line separators are escaped and cannot break the line.
    return json.dumps(values, allow_nan=False).encode("ascii") + b"\n"


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as exc:
        raise ValueError(f"not a line of JSON: {line[:80]!r}") from exc
    if not isinstance(values, dict):
        raise ValueError(f"not a JSON object: {line[:80]!r}")  # noqa: TRY004
    return values
