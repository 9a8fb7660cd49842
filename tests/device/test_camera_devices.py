"""Which of the cameras that are plugged in is written into the settings of a new installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from seealoud.device.camera import devices as devices_module
from seealoud.device.camera.devices import CaptureNode, FoundCamera, captures, find_camera
from seealoud.device.camera.source import is_camera_name

RIBBON = {"Model": "imx708", "Location": 2, "Num": 0, "Id": "/base/axi/i2c0mux/i2c@1/imx708@1a"}
SECOND = {**RIBBON, "Num": 1, "Model": "imx219"}
USB = {"Model": "C920", "Num": 0, "Id": "/base/scb/pcie@7d500000/usb@0,0-1.2:1.0-046d:082d"}


def found(cameras, devices=Path("/nonexistent")):
    return find_camera(lambda: cameras, devices, Path("/nonexistent"))


def test_the_camera_at_the_ribbon_comes_first():
    assert found([USB, RIBBON]) == FoundCamera("picamera2", "camera imx708 at the ribbon connector")
    assert found([SECOND]) == FoundCamera("picamera2:1", "camera imx219 at the ribbon connector")


def test_a_usb_camera_is_not_read_through_libcamera():
    assert found([USB]) is None


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Return /dev of a Raspberry Pi 4 with a webcam, whose second node gives no pictures."""
    nodes = {
        "video0": CaptureNode("uvcvideo", "HD Pro Webcam C920", gives_pictures=True),
        "video1": None,
        "video10": CaptureNode("bcm2835-codec", "bcm2835-codec-decode", gives_pictures=True),
        "video13": CaptureNode("bcm2835-isp", "bcm2835-isp", gives_pictures=True),
    }
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in nodes:
        (folder / name).touch()
    monkeypatch.setattr(devices_module, "captures", lambda path: nodes[path.name])
    return folder


def test_a_usb_camera_is_named_by_its_model_where_links_are(devices, tmp_path):
    links = tmp_path / "by-id"
    links.mkdir()
    link = links / "usb-046d_C920-video-index0"
    link.symlink_to(devices / "video0")
    assert find_camera(lambda: (), devices, links) == FoundCamera(
        str(link), "USB camera HD Pro Webcam C920"
    )


def test_a_usb_camera_has_its_number_without_links(devices):
    assert found([], devices) == FoundCamera("camera:0", "USB camera HD Pro Webcam C920")


def test_device_files_of_the_pi_itself_are_not_cameras(devices):
    (devices / "video0").unlink()
    (devices / "video1").unlink()
    assert found([], devices) is None


@pytest.mark.parametrize("source", ["picamera2", "picamera2:1", "camera:0"])
def test_what_is_found_is_a_name_that_the_settings_take(source):
    assert is_camera_name(source)


def test_a_file_that_is_no_device_gives_no_pictures(tmp_path):
    (tmp_path / "video0").touch()
    assert captures(tmp_path / "video0") is None
    assert captures(tmp_path / "video1") is None
    assert captures(Path("/dev/null")) is None


def test_without_picamera2_nothing_is_at_the_ribbon(tmp_path):
    assert find_camera(devices=tmp_path, links=tmp_path) is None
