"""Where descriptions go: the protocol, and the sinks that write on stdout."""

from __future__ import annotations

from typing import Protocol

from device.commands.report import echo_line, one_line
from device.records import Described


class Sink(Protocol):
    """Takes descriptions one after the other; used by one thread.

    Attributes:
        name: what messages call it.
    """

    name: str

    def accept(self, described: Described) -> None:
        """Deliver one description.

        Raises:
            SeeAloudError: this one was not delivered; the next one may be.
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

    def accept(self, described: Described) -> None:
        """Print the sentence.

        Raises:
            click.exceptions.Exit: stdout was closed.
        """
        label = f"{one_line(described.caption.frame_source)}: " if self._is_labelled else ""
        echo_line(f"{label}{described.text}")

    def close(self) -> None:
        """Do nothing: every line is out already."""


class JsonSink:
    """Prints one JSON object a line, for programs."""

    name = "the output"

    def accept(self, described: Described) -> None:
        """Print what is said, the bare caption and everything that is known of it.

        Raises:
            click.exceptions.Exit: stdout was closed.
        """
        from device.mqtt.payloads import DescribedPart

        echo_line(DescribedPart.of(described).json_text())

    def close(self) -> None:
        """Do nothing: every line is out already."""
