"""``seealoud doctor``: checks everything the daemon needs, and prints what fixes it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from seealoud.device import __version__
from seealoud.device.commands.report import echo_error, echo_line, one_line, verbose_option
from seealoud.device.doctor.finding import (
    Check,
    Finding,
    Level,
    closing_line,
    examine,
    spoken_summary,
)
from seealoud.device.errors import ConfigError, SeeAloudError

_DOUBTFUL = 1
_COLOURS = {Level.WARNING: "yellow", Level.FAILURE: "red"}
_NEEDED_GROUPS = ("video", "audio", "gpio", "input")


@click.command("doctor")
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="Settings file; default: as `run`."
)
@click.option("--speak", is_flag=True, help="Say the result aloud as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@verbose_option
def doctor(config: Path | None, speak: bool, as_json: bool) -> int:
    """Check camera, model, voice, sound, button, permissions, disk, temperature, broker and page.

    Prints one line for each part, below it what to do if it needs attention, and a closing line.
    Ends with 0 when everything works, with 1 when something does not.
    """
    findings: list[Finding] = []
    for finding in examine(_checks(config)):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        echo_line(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        echo_line(f"{closing_line(findings)} This is SeeAloud {__version__}.")
    if speak:
        _speak(config, spoken_summary(findings))
    return _DOUBTFUL if any(f.level is Level.FAILURE for f in findings) else 0


def _checks(config: Path | None) -> list[Check]:
    from seealoud.device.doctor import machine
    from seealoud.device.settings.load import load_settings
    from seealoud.device.settings.paths import directories, socket_candidates

    machine_checks = [
        Check("System", machine.check_system),
        Check("Disk", lambda: machine.check_disk(directories().state)),
        Check("Temperature", machine.check_temperature),
        Check("Power", machine.check_power),
        Check("Permissions", lambda: machine.check_groups(_NEEDED_GROUPS)),
    ]
    try:
        settings = load_settings(config)
    except ConfigError as exc:
        text, fix = (
            "; ".join(str(exc).splitlines()),
            "correct the file, then: seealoud config check",
        )
        return [
            Check("Settings", lambda: Finding("Settings", Level.FAILURE, text, fix)),
            *machine_checks,
        ]
    from seealoud.device.doctor.parts import part_checks
    from seealoud.device.triggers.control_client import is_daemon_running

    is_running = any(map(is_daemon_running, socket_candidates()))
    good = Finding("Settings", Level.OK, "every key is known and in range")
    return [Check("Settings", lambda: good), *machine_checks, *part_checks(settings, is_running)]


def _show(finding: Finding) -> None:
    # Colour only adds to the words: it says nothing that they do not.
    echo_line(click.style(one_line(finding.sentences), fg=_COLOURS.get(finding.level)))
    if finding.fix and finding.needs_attention:
        echo_line(f"To fix it: {one_line(finding.fix)}")


def _speak(config: Path | None, text: str) -> None:
    """Say the result aloud, with the default settings where the file is broken."""
    from seealoud.device.settings.load import load_settings
    from seealoud.device.settings.schema import Settings
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.playback import AlsaPlayback
    from seealoud.device.speech.voice import find_voice

    try:
        settings = load_settings(config)
    except ConfigError:
        settings = Settings()
    try:
        with (
            closing(AlsaPlayback(settings.speech.device)) as playback,
            PiperVoiceProcess(find_voice(settings.speech.voice)) as voice,
            closing(voice.synthesize(text)) as chunks,
        ):
            playback.play(chunks)
    except SeeAloudError as exc:
        echo_error(f"the result cannot be spoken: {exc}")
