"""Runs ``seealoud describe``: every source once, every description to every sink.

Invariant: a failure stops nothing else. A bad source, an unreachable broker or a missing sound card
is reported, and everything else continues; the first error determines the exit code.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.commands.describe_sources import Source, expand_sources
from seealoud.device.commands.describe_workers import (
    Looked,
    OwnDescriber,
    Task,
    WorkerPool,
    job_count,
)
from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.report import ErrorReport, echo_line, open_progress
from seealoud.device.commands.result_file import ResultFile
from seealoud.device.commands.sinks import (
    JsonSink,
    PrintSink,
    Sink,
    SpeechSink,
    WarmVoice,
    WavSink,
    broker_settings,
)
from seealoud.device.errors import ConfigError, OutputError, SeeAloudError
from seealoud.device.records import Description

if TYPE_CHECKING:
    from seealoud.device.commands.contact_sheet import ContactSheet
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.playback import Playback
    from seealoud.device.vision.describe import FrameDescriber

_LOGGER = logging.getLogger(__name__)
# A failing sink may take its whole timeout each time; a thousand pictures must still finish.
FAILURES_UNTIL_GIVEN_UP = 3


def _open_describer(options: DescribeOptions) -> FrameDescriber:
    from seealoud.device.vision.bundle import find_bundle, load_bundle
    from seealoud.device.vision.captioner import CaptionOptions
    from seealoud.device.vision.describe import open_describer

    bundle = load_bundle(find_bundle(options.bundle))
    return open_describer(
        bundle,
        CaptionOptions(beam_width=options.beam, n_best=options.n_best, threads=options.threads),
    )


def _open_voice(path: Path | None) -> PiperVoiceProcess:
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.voice import find_voice

    return PiperVoiceProcess(find_voice(path))


def _open_playback(audio_device: str | None) -> Playback:
    from seealoud.device.speech.playback import AlsaPlayback
    from seealoud.device.speech.settings import DEFAULT_DEVICE

    return AlsaPlayback(audio_device or DEFAULT_DEVICE)


@dataclass(frozen=True, slots=True)
class DescribeParts:
    """How the slow parts are opened; tests replace them. Each is imported when it is opened.

    Attributes:
        open_describer: loads the bundle; raises BundleError or ConfigError.
        open_voice: finds the voice of a path, or the built-in one; raises VoiceError.
        open_playback: opens the sound device of an ALSA name, or the default one.
    """

    open_describer: Callable[[DescribeOptions], FrameDescriber] = _open_describer
    open_voice: Callable[[Path | None], PiperVoiceProcess] = _open_voice
    open_playback: Callable[[str | None], Playback] = _open_playback


def describe(options: DescribeOptions, parts: DescribeParts) -> int:
    """Describe all sources.

    Returns:
        The exit code: 0, or that of the first error.

    Raises:
        ConfigError: an option is wrong; nothing was described.
        BundleError: there is no usable bundle; nothing was described.
        OutputError: the results cannot be written; those before are kept.
        click.exceptions.Exit: stdout was closed.
    """
    options.check()
    report = ErrorReport()
    with ExitStack() as stack:
        sources = list(expand_sources(options.sources, is_recursive=options.recursive))
        outlets = _Outlets(report, stack)
        results = _open_results(options, sources, outlets)
        if results is None:
            outlets.open(lambda: _stdout_sink(options, sources))
        sheet = _open_sheet(options, stack)
        # The voice loads in its own process while the bundle does here.
        _open_slow_sinks(options, parts, outlets, stack)
        tasks = _tasks(sources, results, is_pictured=sheet is not None)
        progress = stack.enter_context(open_progress(options, len(tasks)))
        report.before_line = progress.clear
        if tasks:
            describers = stack.enter_context(closing(_open_describers(options, parts, tasks)))
            for looked in describers.looked(tasks):
                _deliver(looked, outlets, sheet, report)
                progress.advance()
        if sheet is not None:
            sheet.finish()
        if results is not None:
            progress.clear()
            echo_line(results.summary)
    return report.exit_code


def _deliver(
    looked: Looked, outlets: _Outlets, sheet: ContactSheet | None, report: ErrorReport
) -> None:
    """Pass a result to the sinks and to the contact sheet."""
    name, text = looked.task.source.name, looked.task.known_text
    if looked.error is not None:
        report.add(looked.error)
        if sheet is not None:
            sheet.add_unreadable(name, str(looked.error))
        return
    if looked.description is not None:
        outlets.accept(looked.description)
        text = looked.description.text
    if sheet is not None:
        sheet.add(name, text or "", looked.jpeg)


def _open_results(
    options: DescribeOptions, sources: Sequence[Source], outlets: _Outlets
) -> ResultFile | None:
    if (path := options.output) is None:
        return None
    results = ResultFile(path, (source.name for source in sources))
    outlets.open(lambda: results)
    return results


def _open_sheet(options: DescribeOptions, stack: ExitStack) -> ContactSheet | None:
    if options.contact_sheet is None:
        return None
    from seealoud.device.commands.contact_sheet import ContactSheet

    sheet = ContactSheet(options.contact_sheet)
    stack.callback(sheet.close)
    return sheet


def _tasks(
    sources: Sequence[Source], results: ResultFile | None, *, is_pictured: bool
) -> list[Task]:
    """Return what must be looked at; a file that has a row, only for its small picture."""
    tasks = []
    for source in sources:
        known = results.take_done(source.name) if results and source.is_file else None
        if known is None or is_pictured:
            tasks.append(Task(source, known, is_pictured))
    return tasks


def _open_describers(
    options: DescribeOptions, parts: DescribeParts, tasks: Sequence[Task]
) -> OwnDescriber | WorkerPool:
    """Return what describes the tasks: several processes where that is faster.

    A camera can only be opened once, and standard input only be read here.
    """
    is_shareable = all(task.source.is_file for task in tasks)
    n_jobs = job_count(options.jobs, len(tasks)) if is_shareable else 1
    if n_jobs == 1 or parts.open_describer is not _open_describer:
        return OwnDescriber(parts.open_describer(options))
    # Each process has its core to itself.
    return WorkerPool(n_jobs, replace(options, threads=options.threads or 1), _open_describer)


class _Outlets:
    """The sinks: failures are reported, and a sink is disabled after several failures in a row."""

    def __init__(self, report: ErrorReport, stack: ExitStack) -> None:
        self._report = report
        self._stack = stack
        self._failures: dict[Sink, int] = {}

    def open(self, open_sink: Callable[[], Sink]) -> None:
        """Add a sink, to be closed with the stack; one that cannot be opened is reported.

        Raises:
            ConfigError: the user's options are wrong, so nothing should start.
            OutputError: the file of results cannot be written, so nothing should start.
        """
        try:
            sink = open_sink()
        except (ConfigError, OutputError):
            raise
        except SeeAloudError as exc:
            self._report.add(exc)
        else:
            self._failures[sink] = 0
            self._stack.callback(self._close, sink)

    def accept(self, description: Description) -> None:
        """Deliver a description to every enabled sink, in the order of opening.

        Raises:
            ConfigError: the file of results belongs to another bundle.
            OutputError: the file of results cannot be written: hours of work would be lost.
        """
        for sink, failures in self._failures.items():
            if failures < FAILURES_UNTIL_GIVEN_UP:
                self._failures[sink] = 0 if self._is_delivered(sink, description) else failures + 1

    def _is_delivered(self, sink: Sink, description: Description) -> bool:
        try:
            sink.accept(description)
        except (ConfigError, OutputError):
            raise
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
    options: DescribeOptions, parts: DescribeParts, outlets: _Outlets, stack: ExitStack
) -> None:
    """Open the broker, the WAV file and, last because it takes the longest, the loudspeaker."""
    if options.mqtt is not None:
        from seealoud.device.mqtt.publisher import MqttPublisher

        outlets.open(lambda: MqttPublisher(broker_settings(options)))
    if options.wav is None and not options.speak:
        return
    voice = WarmVoice(lambda: parts.open_voice(options.voice))
    stack.callback(voice.close)
    if (wav := options.wav) is not None:
        outlets.open(lambda: WavSink(voice, wav))
    if options.speak:
        outlets.open(lambda: SpeechSink(voice, parts.open_playback(options.audio_device)))
