"""The camera's settings, and what the text of a source means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seealoud.device.camera.settings import CameraSettings
from seealoud.device.camera.source import SourceKind, parse_source


@pytest.mark.parametrize(
    ("text", "kind", "target", "name"),
    [
        ("camera:0", SourceKind.DEVICE, "/dev/video0", "camera:0"),
        ("camera:12", SourceKind.DEVICE, "/dev/video12", "camera:12"),
        ("/dev/video2", SourceKind.DEVICE, "/dev/video2", "/dev/video2"),
        ("/dev/v4l/by-id/usb-1", SourceKind.DEVICE, "/dev/v4l/by-id/usb-1", "/dev/v4l/by-id/usb-1"),
        ("picamera2", SourceKind.PICAMERA, "0", "picamera2"),
        ("picamera2:1", SourceKind.PICAMERA, "1", "picamera2:1"),
        ("rtsp://u:p@cam:554/a", SourceKind.STREAM, "rtsp://u:p@cam:554/a", "rtsp://cam:554/a"),
        ("RTSPS://cam/a", SourceKind.STREAM, "RTSPS://cam/a", "rtsps://cam/a"),
        ("http://cam/v?pwd=p", SourceKind.STREAM, "http://cam/v?pwd=p", "http://cam/v"),
        ("rtsp://u:p@ss@cam/a", SourceKind.STREAM, "rtsp://u:p@ss@cam/a", "rtsp://cam/a"),
        ("walk.MP4", SourceKind.VIDEO, "walk.MP4", "walk.MP4"),
        ("/home/ann/walk.avi", SourceKind.VIDEO, "/home/ann/walk.avi", "/home/ann/walk.avi"),
        ("pictures/", SourceKind.FOLDER, "pictures", "pictures/"),
        ("./pictures", SourceKind.FOLDER, "pictures", "./pictures"),
    ],
)
def test_sources(text, kind, target, name):
    source = parse_source(text)
    assert (source.kind, source.target, source.name) == (kind, target, name)
    assert source.is_replay == (kind in (SourceKind.VIDEO, SourceKind.FOLDER))
    assert CameraSettings(source=text).parsed_source == source


@pytest.mark.parametrize(
    "text",
    ["webcam", "camera:", "camera:-1", "camera:1000", "picamera2:", "picamera3", "0", "a.png"],
)
def test_a_source_that_means_nothing_names_itself(text):
    with pytest.raises(ValidationError, match="is not a camera") as caught:
        CameraSettings(source=text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://u:hunter2@cam/a",
        "rtsp://u:hunter2@",
        "rtsp://u:hunter2@[cam/a",
        "http://u:hunter2@c:x/",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(text):
    with pytest.raises(ValueError, match="address") as caught:
        parse_source(text)
    assert "hunter2" not in str(caught.value)


password = st.text(st.characters(codec="ascii", exclude_characters="/?#[]\\"), min_size=1).map(
    lambda text: f"<{text}>"
)


@given(password, st.sampled_from(["rtsp", "rtsps", "http", "https"]))
def test_no_password_gets_into_a_name(secret, scheme):
    try:
        shown = parse_source(f"{scheme}://ann:{secret}@cam/a?x={secret}").name
    except ValueError as exc:
        shown = str(exc)
    assert secret not in shown


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rotation_deg": 45}, "rotation_deg"),
        ({"flip": "sideways"}, "flip"),
        ({"width_px": 0}, "width_px"),
        ({"height_px": 480.5}, "height_px"),
        ({"rate_hz": 0}, "rate_hz"),
        ({"rate_hz": True}, "rate_hz"),
        ({"source": ""}, "source"),
        ({"sauce": "camera:0"}, "sauce"),
        ({"replay": {"pace": "slow"}}, "replay.pace"),
        ({"replay": {"rate_hz": 0}}, "replay.rate_hz"),
        ({"replay": {"is_looped": 1}}, "replay.is_looped"),
        ({"replay": {"speed": 1}}, "replay.speed"),
    ],
)
def test_a_wrong_value_names_itself(values, words):
    with pytest.raises(ValidationError, match=words):
        CameraSettings(**values)


def test_every_field_is_documented():
    for group in (CameraSettings, type(CameraSettings().replay)):
        for name, info in group.model_fields.items():
            assert info.description or name == "replay", name


def test_only_a_fast_recording_is_lossless():
    assert CameraSettings(source="a.mp4", replay={"pace": "fast"}).is_lossless
    assert not CameraSettings(source="a.mp4").is_lossless
    assert not CameraSettings(replay={"pace": "fast"}).is_lossless
