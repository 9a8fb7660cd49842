"""From arguments to sources: files, folders, videos, pipes; each contract once per kind."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.pictures import encoded, four_colours, write

from device.commands.describe_sources import expand_sources
from device.errors import PictureError, SeeAloudError
from device.pictures.names import PICTURE_SUFFIXES


def names(*arguments, **options):
    return [source.name for source in expand_sources(map(str, arguments), **options)]


def read_all(*arguments):
    """Return the shape of each readable source's frame, or its error."""
    outcomes = []
    for source in expand_sources(map(str, arguments)):
        try:
            outcomes.append(source.read().image_hwc.shape)
        except SeeAloudError as exc:
            outcomes.append(exc)
    return outcomes


@pytest.fixture
def picture(tmp_path) -> Path:
    return write(tmp_path / "cat.png", encoded(four_colours(), ".png"))


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "street.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for turn in range(5):
        writer.write(np.ascontiguousarray(np.rot90(four_colours(), 2 * turn)[:, :, ::-1]))
    writer.release()
    return path


def pipe_into_stdin(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize("kind", ["file", "folder", "video", "stdin"])
def test_every_kind_of_source_keeps_the_contract(kind, picture, video, tmp_path, monkeypatch):
    """uint8 RGB, contiguous, named as it was asked for, stamped with the present in UTC."""
    expected_name, argument = str(picture), str(picture)
    if kind == "folder":
        argument = str(tmp_path)
    elif kind == "video":
        expected_name = argument = str(video)
    elif kind == "stdin":
        expected_name = argument = "-"
        pipe_into_stdin(monkeypatch, picture.read_bytes())
    (source,) = expand_sources([argument])
    frame = source.read()
    assert source.name == frame.source == expected_name
    assert frame.image_hwc.dtype == np.uint8
    assert frame.image_hwc.flags.c_contiguous
    assert frame.captured_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - frame.captured_at) < timedelta(seconds=30)
    difference = frame.image_hwc.astype(int) - four_colours()
    assert np.abs(difference[12, 16]).max() < 30
    assert np.abs(difference[36, 48]).max() < 30


def test_a_folder_yields_its_pictures_by_name(tmp_path):
    for name in ["b.jpg", "a.PNG", "c.webp", ".hidden.jpg", "notes.txt", "film.mp4"]:
        write(tmp_path / name, b"x")
    (tmp_path / "inside").mkdir()
    write(tmp_path / "inside" / "d.jpg", b"x")
    (tmp_path / ".cache").mkdir()
    write(tmp_path / ".cache" / "e.jpg", b"x")
    (tmp_path / "folder.jpg").mkdir()
    assert names(tmp_path) == [str(tmp_path / x) for x in ("a.PNG", "b.jpg", "c.webp")]
    assert names(tmp_path, is_recursive=True) == [
        str(tmp_path / x) for x in ("a.PNG", "b.jpg", "c.webp", "inside/d.jpg")
    ]


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_picture_suffix_is_looked_for(tmp_path, suffix):
    write(tmp_path / f"x{suffix}", b"x")
    write(tmp_path / f"y{suffix.upper()}", b"x")
    assert len(names(tmp_path)) == 2


def test_an_empty_folder_is_an_error_with_a_next_step(tmp_path):
    (error,) = read_all(tmp_path)
    assert isinstance(error, PictureError)
    assert "no pictures" in str(error)
    assert "--recursive" in str(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_locked_folder_is_an_error(tmp_path):
    tmp_path.chmod(0)
    try:
        (error,) = read_all(tmp_path)
    finally:
        tmp_path.chmod(0o700)
    assert "Permission denied" in str(error)


def test_one_bad_source_hides_no_other(picture, tmp_path):
    bad = write(tmp_path / "bad.jpg", b"not a picture")
    nothing = tmp_path / "missing.jpg"
    empty = tmp_path / "empty"
    empty.mkdir()
    outcomes = read_all(picture, bad, nothing, empty, "ftp://host/x.jpg", "http://[", picture)
    assert outcomes[0] == outcomes[-1] == (48, 64, 3)
    assert all(isinstance(x, PictureError) for x in outcomes[1:-1])
    assert len(outcomes) == 7
    for error in outcomes[1:-1]:
        assert "\n" not in str(error)


def test_a_missing_file_is_named(tmp_path):
    (error,) = read_all(tmp_path / "missing.jpg")
    assert str(error) == f"{tmp_path / 'missing.jpg'} does not exist: check the path"


def test_a_file_too_large_is_refused(tmp_path):
    path = tmp_path / "huge.bmp"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    (error,) = read_all(path)
    assert "larger than 64 MiB" in str(error)


def test_too_many_pixels_are_refused_before_they_take_memory():
    code = (
        "import os, sys; os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] = '1000'\n"
        "from device.pictures.decode import decode_picture\n"
        "decode_picture(sys.stdin.buffer.read(), 'huge.png')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=encoded(four_colours(), ".png"), capture_output=True
    )
    assert b"PictureError: huge.png has too many pixels" in done.stderr


def test_stdin_that_is_empty_or_a_terminal_is_an_error(monkeypatch):
    pipe_into_stdin(monkeypatch, b"")
    (error,) = read_all("-")
    assert "stdin is empty" in str(error)

    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    (error,) = read_all("-")
    assert "pipe one in" in str(error)


@pytest.mark.parametrize("data", [b"", b"not a video" * 1000])
def test_a_broken_video_is_an_error_and_silent(tmp_path, data, capfd):
    (error,) = read_all(write(tmp_path / "film.mp4", data))
    assert "no readable video frame" in str(error)
    assert capfd.readouterr().err == ""


def test_a_missing_video_is_an_error(tmp_path):
    (error,) = read_all(tmp_path / "film.mp4")
    assert "does not exist" in str(error)


def test_names_that_are_not_utf8_stay_usable(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(encoded(four_colours(), ".png"))
    (source,) = expand_sources([os.fsdecode(raw)])
    assert source.name.endswith("caf\N{REPLACEMENT CHARACTER}.png")
    assert source.read().image_hwc.shape == (48, 64, 3)


def test_nothing_is_read_and_opencv_not_loaded_before_a_source_is(picture):
    code = (
        "import sys; from device.commands.describe_sources import expand_sources\n"
        f"assert len(list(expand_sources([{str(picture)!r}, 'camera:0', 'http://x/', '-']))) == 4\n"
        "assert 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
