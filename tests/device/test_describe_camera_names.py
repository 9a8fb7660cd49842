"""``seealoud describe`` takes every name of a camera that the daemon's setting takes."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.errors import CameraError
from tests.support.camera_fakes import FakePicamera2
from tests.support.camera_streams import mjpeg_server


def test_http_stream_gives_a_frame() -> None:
    with mjpeg_server("ann:secret") as where:
        (source,) = expand_sources([f"http://ann:secret@{where}/stream"])
        frame = source.read()
    assert frame.image_hwc.shape == (48, 64, 3)
    assert "secret" not in source.name + frame.source


def test_picamera_gives_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=FakePicamera2))
    (source,) = expand_sources(["picamera2"])
    assert source.read().source == "picamera2"


@pytest.mark.parametrize("name", ["/dev/video97", "/dev/v4l/by-id/none", "camera:97"])
def test_missing_device_names_the_next_step(name: str) -> None:
    (source,) = expand_sources([name])
    with pytest.raises(CameraError, match=r".+: .+"):
        source.read()


def test_unreachable_rtsp_camera_is_a_camera_error_without_the_password() -> None:
    (source,) = expand_sources(["rtsp://ann:secret@127.0.0.1:9/live?password=secret"])
    assert source.name == "rtsp://127.0.0.1:9/live"
    with pytest.raises(CameraError, match="check that its server is on") as caught:
        source.read()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["camera:x", "picamera2:x", "rtsp://"])
def test_wrong_name_lists_the_grammar_or_the_fault(name: str) -> None:
    (source,) = expand_sources([name])
    with pytest.raises(CameraError):
        source.read()
