"""``seealoud place`` and ``press where``: with the daemon's real parts, and without a daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.confident_bundle import confident_bundle
from support.daemon_core import DaemonCore, core_settings
from support.tiny_bundle import change_manifest

from seealoud.device.__main__ import main
from seealoud.device.daemon import place_finder
from seealoud.device.errors import DaemonError, PictureError, RequestError
from seealoud.device.vision.bundle import file_entry
from seealoud.device.vision.manifest import ENCODER

Run = Callable[..., tuple[int, str, str]]
GREEN, BLUE = (0, 1, 0), (1, 0, 0)  # factors of blue, green, red, as OpenCV writes them


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*typed: str) -> tuple[int, str, str]:
        code = main(typed)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def paint(folder: Path, colour: tuple[int, int, int]) -> None:
    """Write two sharp pictures of one colour."""
    folder.mkdir(exist_ok=True)
    for number in range(2):
        image = np.random.default_rng(number).integers(60, 255, (48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image * np.array(colour, np.uint8))


def with_another_encoder(folder: Path) -> Path:
    """Return a bundle whose encoder computes the same, but is another file."""
    bundle = confident_bundle(folder)
    with (bundle / ENCODER).open("ab") as file:
        file.write(bytes(16))
    change_manifest(bundle, {f"files/{ENCODER}": file_entry(bundle / ENCODER).model_dump()})
    return bundle


def test_a_place_is_taught_through_the_daemon_recognised_and_forgotten(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(place_finder, "_LESSON_GAP_S", 0.0)
    settings = core_settings(tmp_path)
    paint(tmp_path / "pictures", GREEN)
    bundle = str(confident_bundle(tmp_path / "bundle"))
    replay = settings.camera.replay.model_copy(update={"rate_hz": 20})
    settings = settings.model_copy(
        update={
            "camera": settings.camera.model_copy(update={"replay": replay}),
            "captioner": settings.captioner.model_copy(update={"bundle": bundle}),
        }
    )
    socket = ("--socket", str(tmp_path / "run" / "seealoud.sock"))
    state = ("--state", str(tmp_path / "state"))

    def work(daemon: DaemonCore) -> None:
        assert run("press", "where", *socket) == (0, "No place has been taught yet.\n", "")
        learnt = (0, "I have learnt kitchen, from 8 pictures.\n", "")
        assert run("place", "teach", "kitchen", *socket) == learnt
        assert run("press", "where", *socket) == (0, "This looks like kitchen.\n", "")
        assert run("place", "list", *state) == (0, "kitchen: 8 pictures\n", "")
        assert daemon.send_mqtt("command", b'{"action": "where"}').is_accepted
        refused = daemon.send_mqtt("command", b'{"action": "place_teach", "name": ""}')
        assert (refused.is_accepted, "name" in refused.reason) == (False, True)
        code, out, err = run("place", "forget", "hall", *socket)
        assert (code, out) == (RequestError.exit_code, "")
        assert "there is no place 'hall': known are kitchen" in err
        another = str(with_another_encoder(tmp_path / "another"))
        captioner = settings.captioner.model_copy(update={"bundle": another})
        with caplog.at_level(logging.WARNING, place_finder.__name__):
            daemon._bundle.reload(settings.model_copy(update={"captioner": captioner}))
            code, out, _ = run("press", "where", *socket)
        assert out == "The places were taught with another model. They must be taught again.\n"
        assert len([x for x in caplog.records if x.name == place_finder.__name__]) == 1
        assert run("place", "forget", "kitchen", *socket)[1] == "The place kitchen is forgotten.\n"
        assert run("press", "where", *socket)[1] == "No place has been taught yet.\n"

    assert DaemonCore(settings, tmp_path, work).run() == 0


def test_a_place_is_taught_from_a_folder_without_a_daemon(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALOUD_BUNDLE", str(confident_bundle(tmp_path / "bundle")))
    monkeypatch.setenv("SEEALOUD_SOCKET", str(tmp_path / "no.sock"))
    state = ("--state", str(tmp_path / "state"))
    code, out, err = run("place", "list", *state)
    assert (code, out) == (2, "")
    assert "state: there is no such folder" in err
    (tmp_path / "state").mkdir()
    code, out, err = run("place", "list", *state)
    assert (code, out) == (0, "")
    assert "seealoud place teach NAME" in err
    pictures = tmp_path / "pictures"
    paint(pictures, GREEN)
    cv2.imwrite(str(pictures / "dark.png"), np.zeros((48, 64, 3), np.uint8))
    (pictures / "broken.png").write_bytes(b"no picture")
    code, out, err = run("place", "teach", " Anna's room ", "--from", str(pictures), *state)
    assert (code, out) == (0, "I have learnt Anna's room, from 2 pictures.\n")
    assert "dark.png: It is too dark to see. It is left out." in err
    assert "broken.png" in err
    assert run("place", "list", *state)[1] == "Anna's room: 2 pictures\n"
    for name in ("0.png", "1.png"):
        (pictures / name).unlink()
    code, out, err = run("place", "teach", "hall", "--from", str(pictures), *state)
    assert (code, out) == (PictureError.exit_code, "")
    assert "hall was not learnt" in err
    assert run("place", "teach", "x" * 41, "--from", str(pictures), *state)[0] == 10
    assert run("place", "forget", "hall", *state)[0] == RequestError.exit_code
    assert run("place", "forget", "anna's ROOM", *state)[0] == 0
    assert run("place", "list", *state)[1] == ""
    (tmp_path / "state" / "places.npz").write_bytes(b"no archive")
    code, _, err = run("place", "list", *state)
    assert (code, "seealoud place forget --all" in err) == (10, True)
    assert run("place", "forget", "--all", *state) == (0, "All places are forgotten.\n", "")
    assert list((tmp_path / "state").iterdir()) == []


def test_what_place_cannot_do_ends_with_an_error(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALOUD_SOCKET", str(tmp_path / "no.sock"))
    code, _, err = run("place", "teach", "kitchen")
    assert (code, "no daemon answers" in err) == (DaemonError.exit_code, True)
    for typed in (("forget",), ("forget", "kitchen", "--all")):
        code, _, err = run("place", *typed)
        assert (code, "give the NAME of a place, or --all" in err) == (2, True)
