"""Installs Piper voices beside the built-in one, after checks of signature, age, files and speech.

A voice is NAME.onnx and NAME.onnx.json. ``voice.json`` has the date of its first signature,
``voice.sha256`` the hashes of these three files, and ``voice.sig`` signatures of that file. Voices
that were signed by an earlier SeeAloud have no ``voice.json``. Packages, keys and the folder are
those of bundles.

Invariant: only a voice that has spoken a sentence in a process of its own gets a name in the store.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from seealoud.device.bundles.folder_store import FolderStore
from seealoud.device.bundles.install import Installed, InstallRules, check_room, time_of
from seealoud.device.bundles.package import PackageKind, read_files, read_package
from seealoud.device.bundles.signatures import sign, signer
from seealoud.device.errors import BundleError, VoiceError
from seealoud.device.files import read_regular
from seealoud.device.pictures.names import is_address, public_address
from seealoud.device.speech.piper import PiperVoiceProcess
from seealoud.device.speech.voice import (
    HASHES,
    VOICE_MANIFEST,
    VoiceFiles,
    find_voice,
    hashes,
    require_whole,
)

VOICE_SIGNATURES = "voice.sig"
BUILT_IN = "built-in"
_MODEL, _CONFIG = ".onnx", ".onnx.json"
# Piper's voices of the quality "high" have 114 MB.
VOICE = PackageKind(
    "voice",
    re.compile(
        r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}\.onnx(\.json)?"
        rf"|{VOICE_MANIFEST}|{HASHES}|{VOICE_SIGNATURES}"
    ),
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


def install_voice(source: str, store: VoiceStore, rules: InstallRules) -> Installed:
    """Check a voice, try it, and put it into the store; the voice in use stays in use.

    Args:
        source: a folder, a ``.onnx`` file, a zip file, or the http or https address of one.
        store: where it goes.
        rules: what is accepted.

    Raises:
        BundleError: it is refused.
        VoiceError: it does not speak here.
        OSError: the store cannot be written.
    """
    if rules.is_unsigned_allowed and is_address(source):
        raise BundleError(
            "a voice from an address must be signed: download it, then install the file"
        )
    with store.changing():
        files = read_voice(source)
        signed_by = None
        if rules.is_unsigned_allowed:
            files.pop(VOICE_SIGNATURES, None)
        elif VOICE_SIGNATURES not in files:
            raise BundleError(
                f"{_shown(source)} is not signed. If it is your own, or you trust where you "
                "got it, add --unsigned; otherwise ask for a signed one"
            )
        else:
            signed = files[HASHES], files[VOICE_SIGNATURES]
            signed_by = signer(*signed, rules.key_folders, "the voice")
        stem = min(_spoken_files(files)).removesuffix(_MODEL)
        if not rules.is_older_allowed:
            _check_age(stem, files.get(VOICE_MANIFEST), store)
        size = sum(map(len, files.values()))
        check_room(size, round(_MEMORY_PER_BYTE * size), store)
        name = f"{stem}-{hashlib.sha256(files[HASHES]).hexdigest()[:12]}"
        model = f"{stem}{_MODEL}"
        store.put(files, name, lambda folder: try_voice(find_voice(folder / model)))
    return Installed(name, signed_by)


def sign_voice(
    folder: Path, key_file: Path, signed_at: datetime, *, keeps_others: bool = False
) -> None:
    """Write date, hashes and signature into the folder of a voice.

    Args:
        folder: of the voice.
        key_file: the private key.
        signed_at: the date; the old one stays where other signatures are kept, which are of it.
        keeps_others: whether the signatures by other keys are kept.

    Raises:
        BundleError: the folder has no whole voice, or the key cannot be used.
        OSError: the folder cannot be written.
    """
    files = read_voice(str(folder))
    kept = files.get(VOICE_SIGNATURES, b"") if keeps_others else b""
    if not kept:
        date = {"signed_at": signed_at.isoformat(timespec="seconds")}
        files[VOICE_MANIFEST] = json.dumps(date).encode() + b"\n"
        files[HASHES] = hashes(_hashed_files(files))
    files[VOICE_SIGNATURES] = kept + sign(files[HASHES], key_file)
    for name in (VOICE_MANIFEST, HASHES, VOICE_SIGNATURES):
        if name in files:
            (folder / name).write_bytes(files[name])


def read_voice(source: str) -> dict[str, bytes]:
    """Return the files of a voice by name, the hashes among them, which are those of the others.

    Raises:
        BundleError: it cannot be read, or is no whole voice.
    """
    is_model = source.endswith(_MODEL) and not is_address(source)
    files = _beside(Path(source)) if is_model else read_package(source, kind=VOICE)
    voice = _spoken_files(files)
    _check_config(voice[max(voice)], _shown(source))
    own = hashes(_hashed_files(files))
    if files.setdefault(HASHES, own) != own:
        raise BundleError(f"{_shown(source)}: a file differs from {HASHES}: fetch the voice again")
    return files


def _hashed_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what ``voice.sha256`` has the hashes of."""
    return {x: data for x, data in files.items() if x not in (HASHES, VOICE_SIGNATURES)}


def _check_age(stem: str, manifest: bytes | None, store: VoiceStore) -> None:
    """Refuse a voice that was signed before an installed one of the same name.

    One without a date is older than any with a date.
    """
    made = None if manifest is None else _signed_at(manifest)
    dates: dict[str, datetime] = {}
    for name in store.names():
        if name.rpartition("-")[0] == stem:
            try:
                dates[name] = _signed_at(read_regular(store.folder / name / VOICE_MANIFEST))
            except (BundleError, OSError):
                continue  # without a date, or damaged: no reason to refuse another one
    newest = max(dates, key=dates.__getitem__, default=None)
    if newest is not None and (made is None or made < dates[newest]):
        age = "has no date" if made is None else f"was signed at {made.isoformat()}"
        raise BundleError(
            f"this {stem} {age}, and the installed {newest} was signed at "
            f"{dates[newest].isoformat()}; to go back to an older one, add --allow-older"
        )


def _signed_at(manifest: bytes) -> datetime:
    """Return the date in a ``voice.json``.

    Raises:
        BundleError: it has none.
    """
    try:
        return time_of(json.loads(manifest)["signed_at"])
    except (ValueError, TypeError, LookupError, RecursionError) as exc:
        raise BundleError(f"{VOICE_MANIFEST} has no date: sign the voice again") from exc


def _spoken_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the model and its configuration; refuse everything but one of each."""
    found = {name: data for name, data in files.items() if name.endswith((_MODEL, _CONFIG))}
    model = next((name for name in found if name.endswith(_MODEL)), "")
    if set(found) != {model, f"{model}.json"}:
        names = ", ".join(sorted(found)) or "neither"
        raise BundleError(f"a voice is NAME.onnx with NAME.onnx.json: found {names}")
    return found


def try_voice(voice: VoiceFiles) -> None:
    """Have a voice speak a sentence in a process of its own; it is not played.

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


def _beside(model: Path) -> dict[str, bytes]:
    """Return a model's file, its configuration, and what else of a voice lies beside it."""
    others = (VOICE_MANIFEST, HASHES, VOICE_SIGNATURES)
    there = (name for name in others if model.with_name(name).is_file())
    names = (model.name, f"{model.name}.json", *there)
    if not VOICE.read.fullmatch(model.name):
        raise BundleError(f"{model.name!r} cannot be a voice's name: use letters, digits, - and _")
    try:
        return read_files(map(model.with_name, names), str(model), VOICE)
    except OSError as exc:
        raise BundleError(f"{exc.filename or model} cannot be read: {exc.strerror}") from exc


def _check_config(data: bytes, source: str) -> None:
    try:
        rate_hz = json.loads(data)["audio"]["sample_rate"]
    except (ValueError, TypeError, LookupError, RecursionError) as exc:
        raise BundleError(f"{source}: its .onnx.json is not a Piper configuration") from exc
    if not isinstance(rate_hz, int) or rate_hz not in _RATES_HZ:
        raise BundleError(f"{source}: no voice has a sample rate of {rate_hz!r}")
