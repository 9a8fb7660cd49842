"""Only files are read: a named pipe in the place of any of them is named and nothing waits."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pictures import encoded, four_colours, write
from support.tiny_bundle import copy_bundle

from seealoud.device.camera.replay import PictureFolder, VideoFile
from seealoud.device.clock import SystemClock
from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.errors import (
    BundleError,
    CameraError,
    ConfigError,
    HistoryError,
    PictureError,
    VoiceError,
)
from seealoud.device.events import ProblemChanged
from seealoud.device.files import open_regular, read_regular
from seealoud.device.history.reading import open_for_reading
from seealoud.device.mqtt.broker import TlsSettings, read_password, tls_context
from seealoud.device.pictures.decode import read_picture_file
from seealoud.device.pictures.video import read_first_frame
from seealoud.device.settings.load import load_settings
from seealoud.device.settings.paths import StateLock
from seealoud.device.settings.state import RunState, StateFile, peek
from seealoud.device.speech.voice import find_voice
from seealoud.device.testing import EventRecorder
from seealoud.device.vision.bundle import load_bundle

DEADLINE_S = 20.0


def at_once(read: Callable[[], object], pipe: Path) -> object:
    """Return what a function returns or raises, and fail where it waits for a pipe."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(read())
        except Exception as exc:  # noqa: BLE001 - returned to the test
            found.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    if not found:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # let it go
        pytest.fail(f"it waits for {pipe}")
    return found[0]


def pipe_at(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def history(path: Path) -> object:
    with open_for_reading(path) as connection:
        return connection


READERS: dict[str, tuple[str, type[Exception], Callable[[Path], object]]] = {
    "a picture": ("x.jpg", PictureError, lambda path: read_picture_file(path, str(path))),
    "a video": ("x.mp4", PictureError, lambda path: read_first_frame(path, str(path))),
    "a replayed video": ("x.mp4", CameraError, VideoFile),
    "a voice": ("x.onnx", VoiceError, find_voice),
    "the password": ("password", ConfigError, lambda path: read_password(path, {})),
    "a certificate": ("ca.pem", ConfigError, lambda path: tls_context(TlsSettings(ca_file=path))),
    "the settings": ("seealoud.toml", ConfigError, load_settings),
    "the history": ("history.sqlite3", HistoryError, history),
}


@pytest.mark.parametrize("what", READERS)
def test_a_named_pipe_is_refused_by_name_and_at_once(what: str, tmp_path: Path) -> None:
    name, error, read = READERS[what]
    pipe = pipe_at(tmp_path / name)
    found = at_once(lambda: read(pipe), pipe)
    assert isinstance(found, error), found
    assert "named pipe" in str(found)
    assert str(pipe) in str(found) or str(pipe.parent) in str(found)


@pytest.mark.parametrize("name", ["manifest.json", "encoder.tflite", "vocabulary.txt"])
def test_a_named_pipe_in_a_bundle_is_refused(name: str, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    copy_bundle(bundle)
    pipe = pipe_at(bundle / name)
    found = at_once(lambda: load_bundle(bundle), pipe)
    assert isinstance(found, BundleError)
    assert "named pipe" in str(found)
    assert name in str(found)


def test_the_state_is_read_and_written_past_named_pipes(tmp_path: Path) -> None:
    pipe = pipe_at(tmp_path / "state.json")
    events = EventRecorder()
    file = StateFile(pipe, events.accept, SystemClock())
    assert at_once(file.read, pipe) == RunState()
    assert at_once(lambda: peek(pipe), pipe) == RunState()
    assert "named pipe" in events.of(ProblemChanged)[0].text
    at_once(lambda: file.write(RunState(volume=0.5)), pipe)
    assert file.read().volume == 0.5


def test_a_named_pipe_in_the_place_of_the_lock_stops_no_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = pipe_at(tmp_path / "seealoud.lock")
    lock = StateLock(tmp_path)
    assert at_once(lock.acquire, pipe) is None
    lock.close()
    assert "it is a named pipe" in caplog.text


def test_a_folder_that_is_replayed_leaves_a_named_pipe_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = pipe_at(tmp_path / "a.jpg")
    write(tmp_path / "b.png", encoded(four_colours(), ".png"))
    images = at_once(lambda: list(PictureFolder(tmp_path, 2.0).images()), pipe)
    assert isinstance(images, list)
    assert len(images) == 1
    assert f"{pipe} cannot be read: it is a named pipe" in caplog.text


def test_describe_names_pipes_also_in_folders_and_how_to_read_one(tmp_path: Path) -> None:
    pipe = pipe_at(tmp_path / "c.jpg")
    for argument in (pipe, tmp_path):
        (source,) = expand_sources([str(argument)])
        found = at_once(source.read, pipe)
        assert isinstance(found, PictureError)
        assert str(found).startswith(f"{pipe} cannot be read: it is a named pipe")
        assert "`seealoud describe -`" in str(found)


def test_what_is_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"abc"
    with open_regular(tmp_path / "file") as file:
        assert (file.name, os.get_inheritable(file.fileno())) == (file.fileno(), False)


def test_every_other_kind_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, words in (
            (tmp_path / "socket", "a socket"),
            (Path("/dev/zero"), "a device"),
            (tmp_path, "directory"),
            (tmp_path / "none", "No such file"),
        ):
            with pytest.raises(OSError, match=words) as caught:
                open_regular(path)
            assert caught.value.filename == str(path)


def test_a_pipe_that_takes_a_files_place_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = pipe_at(tmp_path / "x.jpg")
    monkeypatch.setattr("seealoud.device.files.require_regular", lambda path: None)
    found = at_once(lambda: open_regular(pipe), pipe)
    assert isinstance(found, OSError)
    assert "named pipe" in str(found)
