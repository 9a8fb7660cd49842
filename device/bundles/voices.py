"""Installs Piper voices beside the built-in one: who signed it, is it whole, does it speak here.

A voice is NAME.onnx and NAME.onnx.json; ``voice.sha256`` has their hashes, and ``voice.sig`` has
signatures of that file. Packages, keys and the folder are those of bundles.

Invariant: only a voice that has spoken a sentence in a process of its own gets a name in the store.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from seealoud.device.atomic_file import write_durably
from seealoud.device.bundles.folder_store import FolderStore
from seealoud.device.bundles.install import check_room
from seealoud.device.bundles.package import PackageKind, read_package
from seealoud.device.bundles.signatures import signer
from seealoud.device.errors import BundleError, VoiceError
from seealoud.device.pictures.names import is_address, public_address
from seealoud.device.regular_file import read_regular
from seealoud.device.speech.piper import PiperVoiceProcess
from seealoud.device.speech.voice import HASHES, VoiceFiles, find_voice, hashes, require_whole

VOICE_SIGNATURES = "voice.sig"
BUILT_IN = "built-in"
_MODEL, _CONFIG = ".onnx", ".onnx.json"
# Piper's voices of the quality "high" have 114 MB.
VOICE = PackageKind(
    "voice",
    re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,80}}\.onnx(\.json)?|{HASHES}|{VOICE_SIGNATURES}"),
    frozenset({"MODEL_CARD", "MODEL_CARD.md", "README.md", "LICENSE"}),
    160 * 2**20,
)
# The built-in voice of 63 MB takes 204 MB in its process; the files are in memory besides.
_MEMORY_PER_BYTE = 4.5
_TEST_WORDS = "This is my voice now."
# Three of four words would take longer.
_SHORTEST_S = 0.4
_LOUDEST_SILENCE = 200
_RATES_HZ = range(8_000, 48_001)


class VoiceStore(FolderStore):
    """The folder of installed voices; which one is in use is in the state of the daemon."""

    word = "voice"
    own = BUILT_IN
    mark = HASHES

    def find(self, name: str | None) -> VoiceFiles:
        """Return the files of a voice; None is the built-in one.

        Raises:
            VoiceError: they are missing.
        """
        if name is None:
            return find_voice()
        models = sorted((self.folder / name).glob(f"*{_MODEL}"))
        if len(models) != 1:
            raise VoiceError(f"{self.folder / name} is damaged: install the voice again")
        return find_voice(models[0])

    def paths(self) -> dict[str, str]:
        """Return the paths of all installed voices by their names."""
        found: dict[str, str] = {}
        for name in self.names():
            try:
                found[name] = str(self.find(name).model_path)
            except VoiceError:
                continue  # `seealoud voice list` names it
        return found

    def remove(self, name: str, used: Collection[str]) -> None:
        """Remove a voice.

        Args:
            name: of the voice.
            used: paths of voices that are in use or named by the settings.

        Raises:
            BundleError: it is in use.
            OSError: it cannot be removed.
        """
        folder = self.folder / name
        if any(Path(path).parent == folder for path in used):
            raise BundleError(f"{name} is in use: choose another with seealoud voice use")
        with self.changing():
            self.discard(name)


@dataclass(frozen=True, slots=True)
class InstalledVoice:
    """An installed voice.

    Attributes:
        name: in the store.
        signed_by: name of the key; None where no signature was asked for.
    """

    name: str
    signed_by: str | None


def install_voice(
    source: str, store: VoiceStore, key_folders: tuple[Path, ...], *, is_unsigned_allowed: bool
) -> InstalledVoice:
    """Check a voice, hear it, and put it into the store; the voice in use stays in use.

    Args:
        source: a folder, a ``.onnx`` file, a zip file, or the http or https address of one.
        store: where it goes.
        key_folders: where the trusted keys are.
        is_unsigned_allowed: for a voice of one's own; never one from an address.

    Raises:
        BundleError: it is refused.
        VoiceError: it does not speak here.
        OSError: the store cannot be written.
    """
    if is_unsigned_allowed and is_address(source):
        raise BundleError(
            "a voice from an address must be signed: download it, then install the file"
        )
    with store.changing():
        files = read_voice(source)
        if is_unsigned_allowed:
            signed_by, kept = None, {HASHES}
        else:
            if VOICE_SIGNATURES not in files:
                raise BundleError(
                    f"{_shown(source)} is not signed. If it is your own, or you trust where you "
                    "got it, add --unsigned; otherwise ask for a signed one"
                )
            signed = files[HASHES], files[VOICE_SIGNATURES]
            signed_by, kept = signer(*signed, key_folders, "the voice"), {HASHES, VOICE_SIGNATURES}
        voice = spoken_files(files)
        size = sum(map(len, voice.values()))
        check_room(size, round(_MEMORY_PER_BYTE * size), store)
        stem = min(voice).removesuffix(_MODEL)
        name = f"{stem}-{hashlib.sha256(files[HASHES]).hexdigest()[:12]}"
        _put({name: files[name] for name in (*voice, *sorted(kept))}, store, name)
    return InstalledVoice(name, signed_by)


def read_voice(source: str) -> dict[str, bytes]:
    """Return the files of a voice by name, the hashes among them, which are those of the others.

    Raises:
        BundleError: it cannot be read, or is no whole voice.
    """
    files = _beside(Path(source)) if _is_model(source) else read_package(source, kind=VOICE)
    voice = spoken_files(files)
    _check_config(voice[max(voice)], _shown(source))
    own = hashes(voice)
    if files.setdefault(HASHES, own) != own:
        raise BundleError(f"{_shown(source)}: a file differs from {HASHES}: fetch the voice again")
    return files


def spoken_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the model and its configuration; refuse everything but one of each.

    Raises:
        BundleError: there are others.
    """
    found = {name: data for name, data in files.items() if name.endswith((_MODEL, _CONFIG))}
    model = next((name for name in found if name.endswith(_MODEL)), "")
    if set(found) != {model, f"{model}.json"}:
        names = ", ".join(sorted(found)) or "neither"
        raise BundleError(f"a voice is NAME.onnx with NAME.onnx.json: found {names}")
    return found


def try_voice(voice: VoiceFiles) -> None:
    """Have a voice speak a sentence in a process of its own, for nobody.

    Raises:
        VoiceError: its files have changed, it cannot be loaded, or it makes no sound.
    """
    require_whole(voice)
    config = json.loads(read_regular(voice.config_path))
    with PiperVoiceProcess(voice) as process:
        rate_hz = process.start().sample_rate_hz
        if rate_hz != config["audio"]["sample_rate"]:
            raise VoiceError(f"{voice.name} speaks with {rate_hz} Hz, not as its file states")
        chunks = list(process.synthesize(_TEST_WORDS))
    spoken_s = sum(chunk.duration_s for chunk in chunks)
    loudest = max((int(abs(chunk.samples.astype(int)).max()) for chunk in chunks), default=0)
    if spoken_s < _SHORTEST_S or loudest <= _LOUDEST_SILENCE:
        raise VoiceError(f"{voice.name} makes no sound that could be heard: choose another voice")


def _shown(source: str) -> str:
    """Return a source without a password, because errors are logged."""
    return public_address(source) if is_address(source) else source


def _is_model(source: str) -> bool:
    return not is_address(source) and source.endswith(_MODEL)


def _beside(model: Path) -> dict[str, bytes]:
    """Return a model's file, its configuration, and hashes and signatures where there are any."""
    names = (model.name, f"{model.name}.json")
    if not VOICE.read.fullmatch(model.name):
        raise BundleError(f"{model.name!r} is no name of a voice: letters, digits, - and _ are")
    try:
        files = {name: read_regular(model.with_name(name)) for name in names}
    except OSError as exc:
        raise BundleError(f"{exc.filename or model} cannot be read: {exc.strerror}") from exc
    for name in (HASHES, VOICE_SIGNATURES):
        if model.with_name(name).is_file():
            files[name] = read_regular(model.with_name(name))
    if sum(map(len, files.values())) > VOICE.most_bytes:
        raise BundleError(f"{model} is larger than {VOICE.most_bytes // 2**20} MiB: no voice is")
    return files


def _check_config(data: bytes, source: str) -> None:
    try:
        rate_hz = json.loads(data)["audio"]["sample_rate"]
    except (ValueError, TypeError, LookupError, RecursionError) as exc:
        raise BundleError(f"{source}: its .onnx.json is no configuration of Piper") from exc
    if not isinstance(rate_hz, int) or rate_hz not in _RATES_HZ:
        raise BundleError(f"{source}: no voice has a sample rate of {rate_hz!r}")


def _put(files: Mapping[str, bytes], store: VoiceStore, name: str) -> None:
    """Write the files, hear the voice, and give it its name."""
    folder = store.new_folder()
    try:
        for file, data in files.items():
            write_durably(folder / file, data)
        model = next(file for file in files if file.endswith(_MODEL))
        try_voice(find_voice(folder / model))
        store.put(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
