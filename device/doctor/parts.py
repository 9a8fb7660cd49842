"""Checks of the daemon's parts: settings, model, voice, sound, camera, button, broker, page."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from seealoud.device.client_limits import listening_error
from seealoud.device.doctor.finding import Check, Finding, Level
from seealoud.device.doctor.rules import check_rules
from seealoud.device.errors import CameraError, TriggerError
from seealoud.device.records import Frame
from seealoud.device.settings.schema import Settings

_SILENCE_S = 0.1
_SAMPLE_RATE_HZ = 22_050
_TEST_WORDS = "Hello."
_SLOWEST_CAPTION_MS = 1500.0
_SILENT = 'not used, because speech.output is "none"'
_SOUND_FIX = "plug in a loudspeaker, or set speech.device to another device"


def part_checks(settings: Settings, is_daemon_running: bool) -> list[Check]:
    """Return the checks of a daemon with these settings.

    Args:
        settings: as the daemon would read them.
        is_daemon_running: whether a daemon runs now and uses camera and button.
    """

    def held(part: str) -> Finding:
        return Finding(
            part, Level.NOTE, "in use by the running daemon; seealoud press status shows how it is"
        )

    def unless_held(part: str, look: Callable[[Settings], Finding]) -> Callable[[], Finding]:
        return lambda: held(part) if is_daemon_running else look(settings)

    return [
        Check(
            "Model",
            lambda: check_model(settings),
            "copy the bundle again, or name another in captioner.bundle",
        ),
        Check("Voice", lambda: check_voice(settings), "set speech.voice to another voice"),
        Check("Sound", lambda: check_sound(settings), _SOUND_FIX),
        Check("Camera", unless_held("Camera", check_camera), _camera_fix()),
        Check("Button", unless_held("Button", check_button)),
        Check("Rules", lambda: check_rules(settings), "fix the model first"),
        Check("Broker", lambda: check_broker(settings), "check [mqtt] in the settings"),
        Check("Page", lambda: check_page(settings, is_daemon_running)),
    ]


def check_model(settings: Settings) -> Finding:
    """Return whether the bundle passes its self-test, and how fast it captions.

    Raises:
        BundleError: it is missing or broken.
        InferenceError: the runtime failed.
    """
    from seealoud.device.bundles.store import BundleStore
    from seealoud.device.settings.paths import directories
    from seealoud.device.vision.bundle import load_bundle, pattern
    from seealoud.device.vision.captioner import Captioner, CaptionOptions
    from seealoud.device.vision.manifest import CHECKSUM
    from seealoud.device.vision.native_stderr import captured_native_stderr

    bundle = load_bundle(BundleStore(directories().bundles).find(settings.captioner.bundle))
    options = CaptionOptions(threads=settings.captioner.threads)
    with captured_native_stderr(), Captioner(bundle, options) as captioner:
        caption = captioner.caption(Frame.now(pattern(0), "self-test"))
    took_ms = caption.timings.total_ms
    text = f"{bundle.name}, {took_ms:.0f} milliseconds for a caption"
    if not bundle.has_checksum:
        fix = "see the warning above; SeeAloud's own bundles have that file: copy the bundle again"
        return Finding("Model", Level.WARNING, f"{text}, but without {CHECKSUM}", fix)
    if took_ms > _SLOWEST_CAPTION_MS:
        fix = "close other programs, or cool the device"
        return Finding("Model", Level.WARNING, f"{text}, which is slow", fix)
    return Finding("Model", Level.OK, text)


def check_voice(settings: Settings) -> Finding:
    """Return whether the voice speaks, and how fast.

    Raises:
        VoiceError: it is missing or broken.
    """
    from seealoud.device.speech.piper import PiperVoiceProcess
    from seealoud.device.speech.voice import find_voice

    voice = find_voice(settings.speech.voice)
    if settings.speech.output == "none":
        return Finding("Voice", Level.NOTE, _SILENT)
    with PiperVoiceProcess(voice) as process:
        process.start()
        began_s = time.monotonic()
        audio_s = sum(chunk.duration_s for chunk in process.synthesize(_TEST_WORDS))
        took_s = time.monotonic() - began_s
    if not audio_s:
        return Finding("Voice", Level.FAILURE, f"{voice.name} makes no sound", "choose another")
    return Finding("Voice", Level.OK, f"{voice.name}, speaks a word within {took_s:.1f} seconds")


def check_sound(settings: Settings) -> Finding:
    """Return whether the sound device works; it plays a moment of silence.

    Raises:
        PlaybackError: it does not.
    """
    from seealoud.device.speech.pcm import PcmChunk
    from seealoud.device.speech.playback import AlsaPlayback

    if settings.speech.output == "none":
        return Finding("Sound", Level.NOTE, _SILENT)
    if shutil.which("aplay") is None:
        return Finding(
            "Sound",
            Level.FAILURE,
            "the program aplay, which plays the sound, is not installed",
            "sudo apt install alsa-utils",
        )
    silence = PcmChunk(np.zeros(round(_SILENCE_S * _SAMPLE_RATE_HZ), np.int16), _SAMPLE_RATE_HZ)
    with closing(AlsaPlayback(settings.speech.device)) as playback:
        playback.play([silence])
    return Finding("Sound", Level.OK, f"the device {settings.speech.device!r} works")


def check_camera(settings: Settings) -> Finding:
    """Return whether the camera delivers a picture that can be used.

    Raises:
        CameraError: it delivers none.
    """
    from seealoud.device.camera.camera import WARM_UP_FRAMES
    from seealoud.device.camera.open import open_camera
    from seealoud.device.vision.picture_gate import PictureGate

    with closing(open_camera(settings.camera)) as camera:
        frame = camera.read()
        for _ in range(WARM_UP_FRAMES):
            frame = camera.read()
        name = camera.name
    height, width = frame.image_hwc.shape[:2]
    text = f"{name} delivers {width} x {height} pixels"
    fault = PictureGate(is_on=settings.picture.is_gate_on).judge(frame.image_hwc)
    if fault is not None:
        fix = "check light, lens cap and dirt in front of the camera"
        return Finding("Camera", Level.WARNING, f"{text}, but: {fault.text}", fix)
    return Finding("Camera", Level.OK, text)


def _camera_fix() -> str:
    """Return which cameras there are, by the names that ``camera.source`` takes."""
    from seealoud.device.camera.devices import camera_names, check_device

    found: list[str] = []
    for name, path in camera_names().items():
        with suppress(CameraError):
            check_device(path, name)
            found.append(name)
    if not found:
        return "plug a camera in, or set camera.source to picamera2 or to the address of a stream"
    return f"set camera.source to one of the cameras that are there: {', '.join(found)}"


def check_button(settings: Settings) -> Finding:
    """Return whether the button's pin can be used."""
    from seealoud.device.triggers.button import open_pin

    pin = settings.triggers.button.pin
    if pin is None:
        return Finding("Button", Level.NOTE, "not used; if there is one, set triggers.button.pin")
    try:
        # lgpio writes to the working directory, where the user may have no right to.
        with (
            TemporaryDirectory(prefix="seealoud-") as folder,
            closing(open_pin(settings.triggers.button, lg_folder=Path(folder))) as device,
        ):
            is_down = bool(device.is_active)
    except TriggerError as exc:
        return Finding("Button", Level.FAILURE, str(exc), "sudo apt install python3-lgpio")
    if is_down:
        fix = f"check the wires: GPIO {pin} should be connected only while the button is pressed"
        return Finding("Button", Level.WARNING, f"GPIO {pin} is pressed all the time", fix)
    return Finding("Button", Level.OK, f"GPIO {pin} is ready")


def check_broker(settings: Settings) -> Finding:
    """Return whether the broker accepts a connection; a running daemon stays connected.

    Raises:
        BrokerError: it does not.
        ConfigError: the settings cannot be used.
    """
    if not settings.mqtt.is_on:
        return Finding("Broker", Level.NOTE, "not used, because mqtt.is_on is false")
    from seealoud.device.mqtt.connection import probe

    broker = settings.mqtt.broker_settings(settings.device.id)
    probe(broker)
    return Finding("Broker", Level.OK, f"{broker.address} accepts the connection")


def check_page(settings: Settings, is_daemon_running: bool) -> Finding:
    """Return where the page is served, and whether it can be."""
    web = settings.web
    if not web.is_on:
        return Finding("Page", Level.NOTE, "not used, because web.is_on is false")
    missing = [name for name in ("flask", "waitress") if find_spec(name) is None]
    if missing:
        text = f"it needs {' and '.join(missing)}, which is not installed"
        return Finding("Page", Level.FAILURE, text, "pip install 'seealoud[web]'")
    error = listening_error(web.place)
    is_served = is_daemon_running and error is not None and error.errno == errno.EADDRINUSE
    if error is not None and not is_served:
        text = f"it cannot be served on {web.address}: {error.strerror or error}"
        return Finding("Page", Level.FAILURE, text, "set web.address to another address or port")
    if web.needs_token:
        text = f"{web.outside_url}, with the token that `seealoud web token` prints"
        return Finding("Page", Level.OK, text)
    return Finding("Page", Level.OK, f"http://{web.address}, on this machine only")
