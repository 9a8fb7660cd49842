"""Where descriptions go: the protocol, the sinks for stdout, and the broker that options name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from device.commands.options import DescribeOptions
from device.commands.report import echo_line, one_line
from device.errors import ConfigError
from device.records import Description

if TYPE_CHECKING:
    from device.mqtt.broker import BrokerSettings


class Sink(Protocol):
    """Takes descriptions one after the other; used by one thread.

    Attributes:
        name: what messages call it.
    """

    name: str

    def accept(self, description: Description) -> None:
        """Deliver one description.

        Raises:
            SeeAloudError: this one was not delivered; the next one may be.
        """

    def close(self) -> None:
        """Deliver what is still held, and free everything; called once.

        Raises:
            SeeAloudError: what was still held is lost.
        """


class PrintSink:
    """Prints sentences for people, each behind its source's name where there are several."""

    name = "the output"

    def __init__(self, *, is_labelled: bool) -> None:
        self._is_labelled = is_labelled

    def accept(self, description: Description) -> None:
        """Print the sentence.

        Raises:
            click.exceptions.Exit: stdout was closed.
        """
        label = ""
        if self._is_labelled and description.caption is not None:
            label = f"{one_line(description.caption.frame_source)}: "
        echo_line(f"{label}{description.text}")

    def close(self) -> None:
        """Do nothing: every line is out already."""


class JsonSink:
    """Prints one JSON object a line, for programs."""

    name = "the output"

    def accept(self, description: Description) -> None:
        """Print what is said, the bare caption and everything that is known of it.

        Raises:
            click.exceptions.Exit: stdout was closed.
        """
        from device.mqtt.payloads import DescribedPart

        echo_line(DescribedPart.of(description).json_text())

    def close(self) -> None:
        """Do nothing: every line is out already."""


def broker_settings(options: DescribeOptions) -> BrokerSettings:
    """Return which broker the options mean, and how to reach it.

    Raises:
        ConfigError: an option is wrong, needs another one, or names no broker.
    """
    from device.mqtt.broker import (
        PROTOCOLS,
        BrokerSettings,
        TlsSettings,
        default_device_id,
        parse_broker,
        read_password,
    )

    if options.mqtt is None:
        raise ConfigError("no broker: give --mqtt HOST")
    host, port = parse_broker(options.mqtt)
    files = (options.mqtt_ca, options.mqtt_cert, options.mqtt_key)
    is_encrypted = options.mqtt_tls or any(file is not None for file in files)
    # The password in the environment is only used together with a user's name.
    has_password = options.mqtt_user is not None or options.mqtt_password_file is not None
    return BrokerSettings(
        host=host,
        port=port,
        device_id=options.device_id or default_device_id(),
        username=options.mqtt_user,
        password=read_password(options.mqtt_password_file) if has_password else None,
        tls=TlsSettings(*files) if is_encrypted else None,
        protocols=tuple(x for x in PROTOCOLS if options.mqtt_protocol in (x, None)),
    )
