"""Questions about a picture that a client sends, instead of one of the device's own camera.

MQTT and the web page ask them; the observer, which alone uses the models, answers them:

    queue.ask(PictureQuestion(data, Cause.MQTT, id="front-door", reply=take))

Each question that ``ask`` accepts has exactly one ``PictureAnswered``, also where the picture turns
out to be damaged. It is described as a press is, but nothing is spoken, narrated or learnt from
it, and no alert rule looks at it. Privacy closes the device's own camera and does not concern
pictures that others send. Invariant: few questions wait, so pictures never take much memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from seealoud.device.errors import PictureError, RequestError
from seealoud.device.events import Event
from seealoud.device.pictures.picture_size import refuse_too_large
from seealoud.device.records import Cause, Description

# A Raspberry Pi describes one in half a second, and nobody waits for longer than a few of them.
MOST_WAITING = 4
LARGEST_FILE_BYTES = 10 * 10**6
# Twelve megapixels, as a Raspberry Pi's own camera has. A daemon has less room than a command.
LARGEST_DECODED_BYTES = 80 * 10**6
PICTURE = "the picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAnswered(Event):
    """A picture that a client sent was described.

    Attributes:
        description: what a press would say of it; its caption is kept where it is withheld, and
            None only where the file could not be read or the models failed (``reason``).
        cause: through what it was sent.
        id: given by the client, or empty.
    """

    description: Description
    cause: Cause
    id: str = ""


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """A request to describe a picture.

    Attributes:
        data: the picture's file: JPEG, PNG, WebP or what else ``decode_picture`` reads.
        cause: through what it was sent.
        id: chosen by the client; may be empty.
        reply: is given the answer in the observer's thread, and must return at once; the event bus
            has the same answer afterwards.
    """

    data: bytes = field(repr=False)
    cause: Cause
    id: str = ""
    reply: Callable[[PictureAnswered], None] = lambda _: None


class PictureQueue:
    """Questions that wait for the observer; all methods from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[PictureQuestion] = deque()

    def ask(self, question: PictureQuestion) -> None:
        """Take a question and return at once.

        Raises:
            PictureError: the file is empty, too large or of an unknown format.
            RequestError: too many pictures wait.
        """
        check_picture_file(question.data)
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise RequestError(
                    f"{MOST_WAITING} pictures are waiting to be described, and no further one is "
                    "accepted: send this one again in a few seconds"
                )
            self._waiting.append(question)

    def take(self) -> PictureQuestion | None:
        """Return the oldest question, or None if none waits."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def __len__(self) -> int:
        """Return how many questions wait."""
        return len(self._waiting)


def check_picture_file(data: bytes, largest_bytes: int = LARGEST_FILE_BYTES) -> None:
    """Return if a file can be a picture, as far as its size and its header show.

    Raises:
        PictureError: it is empty, too large or of an unknown format.
    """
    if not data:
        raise PictureError(f"{PICTURE} is empty (0 bytes): send the bytes of a picture file")
    if len(data) > largest_bytes:
        raise PictureError(
            f"{PICTURE} has {len(data)} bytes, and at most {largest_bytes} are accepted: "
            "make it smaller, 1280 pixels wide are enough"
        )
    # Its parts may be larger than its header states, and the decoder believes the parts.
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        raise PictureError(f"{PICTURE} is an AVIF file, which is not accepted: send a JPEG or PNG")
    refuse_too_large(data, PICTURE, LARGEST_DECODED_BYTES)
