"""Carries ``seealoud describe`` out: every source once, every caption to every sink.

Invariant: what fails takes nothing else with it. A bad source, a broker that is away or a missing
sound card is told of, and everything else goes on; the first error decides the exit code.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing

from device.commands.options import DescribeOptions
from device.commands.parts import Describer, Parts
from device.commands.report import ErrorReport
from device.commands.sinks import JsonSink, PrintSink, Sink
from device.errors import ConfigError, SeeAloudError
from device.pictures import Source, expand_sources
from device.records import Described

_LOGGER = logging.getLogger(__name__)
# A sink that never succeeds may cost its timeout each time; a thousand pictures must still end.
FAILURES_UNTIL_GIVEN_UP = 3


def describe(options: DescribeOptions, parts: Parts) -> int:
    """Describe all sources.

    Returns:
        The exit code: 0, or that of the first error.

    Raises:
        ConfigError: an option is wrong; nothing was described.
        BundleError: there is no usable bundle; nothing was described.
        click.exceptions.Exit: stdout was closed.
    """
    options.check()
    report = ErrorReport()
    with ExitStack() as stack:
        sources = list(expand_sources(options.sources, is_recursive=options.recursive))
        outlets = _Outlets(report, stack)
        outlets.open(lambda: _stdout_sink(options, sources))
        # The voice loads in its own process while the bundle does here.
        _open_slow_sinks(options, parts, outlets, stack)
        describer = stack.enter_context(closing(parts.open_describer(options)))
        _describe_each(sources, describer, outlets, report)
    return report.exit_code


def _describe_each(
    sources: Iterable[Source], describer: Describer, outlets: _Outlets, report: ErrorReport
) -> None:
    """Read, describe and deliver one source after the other."""
    for source in sources:
        try:
            described = describer.describe(source.read())
        except SeeAloudError as exc:
            report.add(exc)
        else:
            outlets.accept(described)


class _Outlets:
    """The sinks: failures are told of, and who fails too often in a row is given up."""

    def __init__(self, report: ErrorReport, stack: ExitStack) -> None:
        self._report = report
        self._stack = stack
        self._failures: dict[Sink, int] = {}

    def open(self, open_sink: Callable[[], Sink]) -> None:
        """Add a sink, to be closed with the stack; one that cannot be opened is told of.

        Raises:
            ConfigError: the user's options are wrong, so nothing should start.
        """
        try:
            sink = open_sink()
        except ConfigError:
            raise
        except SeeAloudError as exc:
            self._report.add(exc)
        else:
            self._failures[sink] = 0
            self._stack.callback(self._close, sink)

    def accept(self, described: Described) -> None:
        """Deliver what is said to every sink that is not given up, in the order of opening."""
        for sink, failures in self._failures.items():
            if failures < FAILURES_UNTIL_GIVEN_UP:
                self._failures[sink] = 0 if self._is_delivered(sink, described) else failures + 1

    def _is_delivered(self, sink: Sink, described: Described) -> bool:
        try:
            sink.accept(described)
        except SeeAloudError as exc:
            self._report.add(exc)
            if self._failures[sink] + 1 == FAILURES_UNTIL_GIVEN_UP:
                _LOGGER.warning(
                    "%s is given up after %d failures in a row", sink.name, FAILURES_UNTIL_GIVEN_UP
                )
            return False
        return True

    def _close(self, sink: Sink) -> None:
        try:
            sink.close()
        except SeeAloudError as exc:
            self._report.add(exc)


def _stdout_sink(options: DescribeOptions, sources: list[Source]) -> Sink:
    if options.as_json:
        return JsonSink()
    is_folder_named = any(os.path.isdir(source) for source in options.sources)
    return PrintSink(is_labelled=len(sources) > 1 or is_folder_named)


def _open_slow_sinks(
    options: DescribeOptions, parts: Parts, outlets: _Outlets, stack: ExitStack
) -> None:
    """Open the broker, the WAV file and, last because it takes the longest, the loudspeaker."""
    if options.mqtt is not None:
        from device.commands.mqtt import broker_settings
        from device.mqtt.publisher import MqttPublisher

        outlets.open(lambda: MqttPublisher(broker_settings(options)))
    if options.wav is None and not options.speak:
        return
    from device.commands.speech_sinks import SpeechSink, WarmVoice, WavSink

    voice = WarmVoice(lambda: parts.open_voice(options.voice))
    stack.callback(voice.close)
    if (wav := options.wav) is not None:
        outlets.open(lambda: WavSink(voice, wav))
    if options.speak:
        outlets.open(lambda: SpeechSink(voice, parts.open_playback(options.audio_device)))
