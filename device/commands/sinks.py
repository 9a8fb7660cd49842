"""Where captions go: the protocol, and the sinks that write on stdout."""

from __future__ import annotations

from typing import Protocol

from device.commands.report import one_line
from device.commands.stdout import echo_line
from device.records import Caption


class Sink(Protocol):
    """Takes captions one after the other; used by one thread.

    Attributes:
        name: what messages call it.
    """

    name: str

    def accept(self, caption: Caption) -> None:
        """Deliver one caption.

        Raises:
            SeeAloudError: this caption was not delivered; the next one may be.
        """

    def close(self) -> None:
        """Deliver what is still held, and free everything; called once.

        Raises:
            SeeAloudError: what was held is lost, or others were not told.
        """


class PrintSink:
    """Prints sentences for people, each behind its source's name where there are several."""

    name = "the output"

    def __init__(self, *, is_labelled: bool) -> None:
        self._is_labelled = is_labelled

    def accept(self, caption: Caption) -> None:
        """Print the sentence.

        Raises:
            StdoutClosedError: nobody reads it.
        """
        label = f"{one_line(caption.frame_source)}: " if self._is_labelled else ""
        echo_line(f"{label}{caption.sentence}")

    def close(self) -> None:
        """Do nothing: every line is out already."""


class JsonSink:
    """Prints one JSON object a line, for programs."""

    name = "the output"

    def accept(self, caption: Caption) -> None:
        """Print the caption with everything that is known of it.

        Raises:
            StdoutClosedError: nobody reads it.
        """
        from device.mqtt.payloads import CaptionPart

        echo_line(CaptionPart.of(caption).model_dump_json())

    def close(self) -> None:
        """Do nothing: every line is out already."""
