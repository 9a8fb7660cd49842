r"""Messages between the Piper process and its client; bytes in, values out, no I/O.

    client -> worker (stdin)   one JSON object a line:  {"id", "text", "length_scale", "volume"}
                                                        {"cancel": id}
    worker -> client (stdout)  one JSON header line, then exactly `bytes` bytes of raw
                               int16 little-endian mono PCM:
                               {"kind": "ready", "sample_rate_hz", "load_s", "bytes": 0}
                               {"kind": "audio", "id", "bytes": n}      once per sentence
                               {"kind": "end",   "id", "bytes": 0}      after the last, or cancelled
                               {"kind": "error", "id", "message", "bytes": 0}

Anything else raises ValueError: the streams are out of step and must be opened again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from seealoud.device.speech.pcm import SAMPLE_BYTES

# Far above any real message (a sentence is some 100 kB); refuses the output of a stray print.
MAX_HEADER_BYTES = 1 << 16
MAX_AUDIO_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """Words to be spoken.

    Attributes:
        id: the client's number for this request; replies carry it.
        text: the words.
        length_scale: multiplier of the voice's own pace; 2.0 takes twice as long.
        volume: multiplier of full scale, >= 0; 1.0 is as loud as the format goes.
    """

    id: int
    text: str
    length_scale: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The request with this id is no longer wanted."""

    id: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The voice is loaded.

    Attributes:
        sample_rate_hz: rate of all its sound.
        load_s: time its loading took, imports included, in seconds.
    """

    sample_rate_hz: int
    load_s: float


@dataclass(frozen=True, slots=True)
class Audio:
    """One sentence's sound: raw int16 little-endian mono PCM."""

    id: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class End:
    """No more sound follows for this request."""

    id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A request failed, or with ``id`` None the voice could not be loaded."""

    id: int | None
    message: str


Request = SpeechRequest | CancelRequest
Reply = Ready | Audio | End | Failure


def encode_request(request: Request) -> bytes:
    """Return the request as one line of JSON, newline included."""
    if isinstance(request, CancelRequest):
        return _line({"cancel": request.id})
    return _line(asdict(request))


def decode_request(line: bytes) -> Request:
    """Return the request in a line.

    Raises:
        ValueError: the line is not a request.
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
    """Return the reply as a header line and, for audio, its samples."""
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
    """Turns the worker's byte stream, cut anywhere, back into replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that ``data`` completes, in order.

        Raises:
            ValueError: the stream holds something that is not this protocol.
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
            raise ValueError(f"no header within {MAX_HEADER_BYTES} bytes: {bytes(line[:80])!r}")
        if not newline:
            return None
        del self._buffer[: len(line) + 1]
        header = _json_object(bytes(line))
        size = header.get("bytes")
        if not isinstance(size, int) or not 0 <= size <= MAX_AUDIO_BYTES or size % SAMPLE_BYTES:
            raise ValueError(f"header with an impossible size: {bytes(line[:80])!r}")
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
        raise ValueError(f"header without its fields: {header!r}") from exc
    raise ValueError(f"unknown kind of reply: {header!r}")


def _line(values: dict[str, Any]) -> bytes:
    # ASCII escapes keep lone surrogates and line separators from breaking the line.
    return json.dumps(values, allow_nan=False).encode("ascii") + b"\n"


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as exc:
        raise ValueError(f"not a line of JSON: {line[:80]!r}") from exc
    if not isinstance(values, dict):
        raise ValueError(f"not a JSON object: {line[:80]!r}")  # noqa: TRY004
    return values
