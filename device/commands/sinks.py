"""Where descriptions are delivered: stdout, the loudspeaker, a WAV file, and an MQTT broker."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.report import echo_line, one_line
from seealoud.device.errors import ConfigError, SpeechError
from seealoud.device.records import Description
from seealoud.device.speech.pcm import PcmChunk, write_wav

if TYPE_CHECKING:
    from seealoud.device.mqtt.broker import BrokerSettings
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.playback import Playback

PAUSE_S = 0.6  # between two captions in one WAV file
_SPOOL_READ_BYTES = 1 << 16


class Sink(Protocol):
    """Delivers descriptions one after the other; used by one thread.

    Attributes:
        name: its name in messages.
    """

    name: str

    def accept(self, description: Description) -> None:
        """Deliver one description.

        Raises:
            SeeAloudError: this one was not delivered; the next one may be.
        """

    def close(self) -> None:
        """Deliver what is pending, and free everything; called once.

        Raises:
            SeeAloudError: what was pending is lost.
        """


class PrintSink:
    """Prints sentences for people, each after the name of its source if there are several."""

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
        """Do nothing: every line has been printed."""


class JsonSink:
    """Prints one JSON object per line, for programs."""

    name = "the output"

    def accept(self, description: Description) -> None:
        """Print the sentence, the caption, its probability and the things.

        Raises:
            click.exceptions.Exit: stdout was closed.
        """
        from seealoud.device.mqtt.payloads import DescribedPart

        echo_line(DescribedPart.of(description).json_text())

    def close(self) -> None:
        """Do nothing: every line has been printed."""


class WarmVoice:
    """One voice for all sinks: it loads in the background, and each text is synthesised once."""

    def __init__(self, open_voice: Callable[[], PiperVoiceProcess]) -> None:
        self._open_voice = open_voice
        self._voice: PiperVoiceProcess | None = None
        self._text: str | None = None
        self._chunks: list[PcmChunk] = []

    def warm(self) -> None:
        """Start loading the voice, unless it has been started; return at once.

        Raises:
            VoiceError: there is no such voice.
        """
        if self._voice is None:
            self._voice = self._open_voice()
            self._voice.warm()

    def say(self, text: str) -> list[PcmChunk]:
        """Return the sound of a text; a caption is one sentence and therefore one chunk.

        Raises:
            VoiceError: the voice failed.
        """
        if text != self._text:
            self.warm()
            assert self._voice is not None  # warm() returned
            self._text, self._chunks = None, []
            self._chunks = list(self._voice.synthesize(text))
            self._text = text
        return self._chunks

    def close(self) -> None:
        """Stop the voice; may be called again."""
        if self._voice is not None:
            self._voice.close()


class SpeechSink:
    """Speaks descriptions one after the other, each to its end."""

    name = "speech"

    def __init__(self, voice: WarmVoice, playback: Playback) -> None:
        """Start loading the voice.

        Raises:
            VoiceError: there is no such voice.
        """
        voice.warm()
        self._voice = voice
        self._playback = playback

    def accept(self, description: Description) -> None:
        """Speak the sentence; return at its end.

        Raises:
            SpeechError: the voice or the sound card failed.
        """
        self._playback.play(self._voice.say(description.text))

    def close(self) -> None:
        """Free the sound card."""
        self._playback.close()


class WavSink:
    """Collects the speech of all captions; the complete file appears at the end."""

    name = "the WAV file"

    def __init__(self, voice: WarmVoice, path: Path) -> None:
        """Start loading the voice, and make sure that the file can be written.

        Raises:
            VoiceError: there is no such voice.
            SpeechError: the file's folder does not exist or may not be written to.
        """
        voice.warm()
        self._voice = voice
        self._path = path
        self._sample_rate_hz = 0
        try:
            # On disk, not in memory: a folder of a thousand pictures makes an hour of speech.
            self._spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - until close()
        except OSError as exc:
            raise SpeechError(
                f"the WAV file {path} cannot be written: {os.strerror(exc.errno or 0)}. "
                "Choose a folder that exists and that you may write to"
            ) from exc

    def accept(self, description: Description) -> None:
        """Add the sentence, after a pause unless it is the first.

        Raises:
            SpeechError: the voice failed, or the disk is full.
        """
        chunks = self._voice.say(description.text)
        try:
            for chunk in self._with_pause(chunks):
                self._spool.write(chunk.to_bytes())
                self._sample_rate_hz = chunk.sample_rate_hz
        except OSError as exc:
            raise SpeechError(f"speech for {self._path} cannot be stored: {exc.strerror}") from exc

    def close(self) -> None:
        """Write the file; without any caption no file is written.

        Raises:
            SpeechError: it cannot be written.
        """
        with self._spool:
            if self._spool.tell():
                self._spool.seek(0)
                write_wav(self._path, self._spooled())

    def _with_pause(self, chunks: Iterable[PcmChunk]) -> Iterator[PcmChunk]:
        if self._sample_rate_hz:
            silence = np.zeros(round(PAUSE_S * self._sample_rate_hz), np.int16)
            yield PcmChunk(silence, self._sample_rate_hz)
        yield from chunks

    def _spooled(self) -> Iterator[PcmChunk]:
        while data := self._spool.read(_SPOOL_READ_BYTES):
            yield PcmChunk.from_bytes(data, self._sample_rate_hz)


def broker_settings(options: DescribeOptions) -> BrokerSettings:
    """Return the broker that the options name, and how to connect to it.

    Raises:
        ConfigError: an option is wrong, needs another one, or names no broker.
    """
    from seealoud.device.mqtt.broker import (
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
