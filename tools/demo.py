"""The demo: photographs in; captions, speech and MQTT messages out, all through the real command.

Ends by itself: every wait has a deadline, and the broker goes with the block that started it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from seealoud.device.errors import BrokerError, SeeAloudError, SpeechError
from seealoud.device.speech.piper import PiperVoiceProcess
from seealoud.device.speech.voice import VoiceFiles, find_voice
from seealoud.device.vision.bundle import Bundle, find_bundle, load_bundle
from tools.broker import KINDS, LoopbackBroker, loopback_broker
from tools.demo_run import Outcome, run_command
from tools.demo_view import Row, show, show_facts, show_heading, show_table
from tools.first_sound import first_sound_ms
from tools.samples import SAMPLES, sample_pictures

_OUTPUT = Path(__file__).resolve().parent.parent / "demo-output"
_WAV_NAME = "captions.wav"
_DESCRIPTION = (
    "Captions sample photographs or your own, speaks, and shows the MQTT messages. "
    "Nothing leaves this machine."
)
_TERMINATED = 128 + signal.SIGTERM
_LIMITS = (
    "The models are small. They know people, common animals, vehicles and household things; what",
    "they do not know they may take for something else. A sentence says how sure it is, and",
    '"I cannot tell" is an answer too. It reads no text, knows no faces and judges no distances.',
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return its exit code."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _run(options)
    except SeeAloudError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run(options: argparse.Namespace) -> int:
    bundle, voice = load_bundle(find_bundle(options.bundle)), find_voice()
    is_loud = has_sound_card() if options.speak is None else options.speak
    sources = _sources(options.sources, options.output)
    wav = options.output / _WAV_NAME
    wav.unlink(missing_ok=True)
    with loopback_broker(options.broker) as broker:
        _introduce(bundle, voice, broker, is_loud)
        if not options.sources:
            _tell_what_they_show()
        command = _command(sources, wav, broker, options.bundle)
        if is_loud:
            command.append("--speak")
        show_heading(f"$ seealoud {shlex.join(command[1:])}")
        outcome, exit_code = run_command(command, broker)
    # A card that aplay lists may still refuse, as HDMI without a screen does.
    is_only_mute = exit_code == SpeechError.exit_code and options.speak is None and wav.is_file()
    if is_only_mute:
        show("The sound card refused (see above): the speech is in the file only.")
        exit_code = 0
    if outcome.captions:
        _report(outcome, voice, wav)
    if exit_code == 0 and not len(outcome.captions) == outcome.messages > 0:
        raise BrokerError(
            f"of {len(outcome.captions)} captions {outcome.messages} came back from the broker"
        )
    return exit_code


# ---------------------------------------------------------------- before


def _sources(given: Sequence[str], output: Path) -> list[str]:
    """Return the user's sources, or samples copied to where the user can look at them."""
    folder = output / "pictures"
    output.mkdir(parents=True, exist_ok=True)
    if given:
        return list(given)
    folder.mkdir(exist_ok=True)
    return [_short(Path(shutil.copy(path, folder))) for path in sample_pictures()]


def has_sound_card() -> bool:
    """Return whether ALSA lists a card to play on."""
    try:
        listed = subprocess.run(
            ["aplay", "-l"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return False
    return any(line.startswith("card ") for line in listed.stdout.splitlines())


def _introduce(bundle: Bundle, voice: VoiceFiles, broker: LoopbackBroker, is_loud: bool) -> None:
    megabytes = sum(entry.bytes for entry in bundle.manifest.files.values()) / 1e6
    show_heading("SeeAloud describes photographs, on this machine alone.")
    show_facts(
        {
            "captioner": f"{bundle.name}, {megabytes:.1f} MB, {len(bundle.vocabulary)} words",
            "voice": f"{voice.name} (Piper)",
            "sound": "aloud, and into a file" if is_loud else "into a file (no sound card is used)",
            "broker": f"{broker.name} on {broker.address}, until the demo ends",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
    )
    show()
    for line in _LIMITS:
        show(line)


def _tell_what_they_show() -> None:
    """Print what a person sees in the sample photographs, so that all can be compared."""
    for title, is_usual in (("Made for pictures like these:", True), ("and not for these:", False)):
        show()
        show(title)
        show_facts({one.name: one.shows for one in SAMPLES if one.is_usual is is_usual})


def _command(
    sources: Sequence[str], wav: Path, broker: LoopbackBroker, bundle: str | None
) -> list[str]:
    program = Path(sysconfig.get_path("scripts")) / "seealoud"
    command = [str(program), "describe", *sources, "--json"]
    command += ["--wav", _short(wav), "--mqtt", broker.address]
    return command if bundle is None else [*command, "--bundle", bundle]


# ---------------------------------------------------------------- after


def _report(outcome: Outcome, voice: VoiceFiles, wav: Path) -> None:
    show_heading("How long it took")
    delays_ms = _first_sounds_ms(voice, [caption["text"] for caption in outcome.captions])
    show_table([Row(*pair) for pair in zip(outcome.captions, delays_ms, strict=True)])
    show("    first sound: from the caption's text to its first samples, the voice being loaded")
    show_heading("What is left")
    if wav.is_file():
        show(f"    {_short(wav)}: {_duration_s(wav):.0f} s of speech")
    show(f"    captions that came back over MQTT: {outcome.messages}; the broker is stopped")
    show("    Your own pictures: ./scripts/demo PICTURE...")


def _first_sounds_ms(voice: VoiceFiles, sentences: Sequence[str]) -> list[float]:
    with PiperVoiceProcess(voice) as speaker:
        first_sound_ms(speaker, sentences[0])  # the first one is slower than all later ones
        return [first_sound_ms(speaker, sentence) for sentence in sentences]


def _duration_s(path: Path) -> float:
    with wave.open(str(path)) as sound:
        return float(sound.getnframes() / sound.getframerate())


# ---------------------------------------------------------------- small things


def _short(path: Path) -> str:
    """Return the path as short as it can be typed here."""
    here, path = Path.cwd(), path.absolute()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(_TERMINATED)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=_DESCRIPTION)
    parser.add_argument("sources", nargs="*", metavar="PICTURE", help="default: six photographs")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="folder to write into")
    parser.add_argument("--bundle", metavar="NAME|PATH", help="another captioner than the default")
    parser.add_argument("--broker", choices=KINDS, help="default: mosquitto where installed")
    parser.add_argument(
        "--speak",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="aloud as well (default: where there is a sound card)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
