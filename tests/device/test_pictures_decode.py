"""Every kind of picture becomes upright 8-bit RGB, and a damaged one becomes an error."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.pictures import (
    encoded,
    exif_block,
    four_colours,
    jpeg_turned,
    jpeg_with_header,
    png_turned,
    webp_turned,
)

from device.errors import PictureError
from device.pictures.decode import decode_picture
from device.pictures.picture_format import exif_orientation, is_cut_jpeg
from device.vision.native_stderr import captured_native_stderr
from device.vision.preprocess import preprocess

LOSSLESS = [".png", ".bmp", ".tiff", ".ppm", ".webp"]
LOSSY_TOLERANCE = 12  # JPEG at quality 95, inside a field of one colour
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).transpose(1, 0, 2),
    8: lambda x: np.rot90(x, 1),
}


def quality(suffix: str) -> list[int]:
    return [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []


def centres(image):
    """Return the colours in the middles of the four quarters: [4, 3]."""
    height, width = image.shape[:2]
    return image[[height // 4, height // 4, -height // 4, -height // 4],
                 [width // 4, -width // 4, width // 4, -width // 4]].astype(int)  # fmt: skip


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_pictures_keep_every_pixel(suffix):
    picture = four_colours()
    decoded = decode_picture(encoded(picture, suffix, *quality(suffix)), "x")
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, picture)


@pytest.mark.parametrize("progressive", [0, 1])
def test_jpeg_colours_come_in_rgb_order(progressive):
    data = encoded(four_colours(), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    difference = np.abs(centres(decode_picture(data, "x")) - centres(four_colours()))
    assert difference.max() <= LOSSY_TOLERANCE


def test_grey_pictures_get_three_equal_channels():
    grey = four_colours()[:, :, 1]
    for suffix in (".png", ".pgm"):
        decoded = decode_picture(encoded(grey, suffix), "x")
        np.testing.assert_array_equal(decoded, np.dstack([grey] * 3))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_keep_their_upper_eight(suffix):
    deep = four_colours().astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_picture(encoded(deep, suffix), "x"), four_colours())
    grey = deep[:, :, 0]
    decoded = decode_picture(encoded(grey, suffix), "x")
    np.testing.assert_array_equal(decoded, np.dstack([four_colours()[:, :, 0]] * 3))


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparent_parts_become_white_not_what_hides_under_them(suffix):
    picture = np.dstack([four_colours(), np.full((48, 64), 255, np.uint8)])
    picture[:24, :, 3] = 0
    picture[24:, :32, 3] = 128
    decoded = decode_picture(encoded(picture, suffix, *quality(suffix)), "x")
    assert (decoded[:24] == 255).all()
    half_blue = np.rint(np.array([20, 20, 220]) * 128 / 255 + 127)
    assert np.abs(decoded[30, 10] - half_blue).max() <= 1
    np.testing.assert_array_equal(decoded[24:, 32:], four_colours()[24:, 32:])


def test_sixteen_bit_transparency_is_scaled_too():
    deep = np.dstack([four_colours(), np.full((48, 64), 255, np.uint8)]).astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_picture(encoded(deep, ".png"), "x"), four_colours())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(orientation):
    right = centres(UPRIGHT[orientation](four_colours()))
    shape = UPRIGHT[orientation](four_colours()).shape
    opaque = np.dstack([four_colours(), np.full((48, 64), 255, np.uint8)])
    # An alpha of 255 everywhere is left out by the encoder; one other pixel keeps it.
    opaque[0, 0, 3] = 254
    lossless_webp = encoded(opaque, ".webp", cv2.IMWRITE_WEBP_QUALITY, 101)
    for kind, data in {
        "jpeg": jpeg_turned(encoded(four_colours(), ".jpg"), orientation),
        "png": png_turned(encoded(four_colours(), ".png"), orientation),
        "png with alpha": png_turned(encoded(opaque, ".png"), orientation),
        "webp with alpha": webp_turned(lossless_webp, orientation, 64, 48),
    }.items():
        decoded = decode_picture(data, kind)
        assert decoded.shape == shape, kind
        assert np.abs(centres(decoded) - right).max() <= LOSSY_TOLERANCE, kind


def test_orientations_out_of_range_mean_upright():
    png = encoded(four_colours(), ".png")
    assert exif_orientation(png_turned(png, 9)) == 1
    assert exif_orientation(png_turned(png, 0)) == 1
    assert exif_orientation(png) == 1


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".jpg", ".jp2", ".gif"])
@pytest.mark.parametrize("kept", [0.03, 0.3, 0.6, 0.9, 0.99])
def test_cut_pictures_are_refused(suffix, kept, capfd):
    noisy = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    try:
        data = encoded(noisy, suffix)
    except cv2.error:
        pytest.skip(f"this OpenCV cannot write {suffix}")
    with pytest.raises(PictureError, match="holiday"):
        decode_picture(data[: int(len(data) * kept)], "holiday")
    assert capfd.readouterr().err == ""


def test_a_jpeg_cut_behind_its_thumbnail_is_refused():
    noisy = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    thumbnail = encoded(four_colours(), ".jpg")
    data = jpeg_with_header(encoded(noisy, ".jpg"), b"Exif\0\0" + exif_block(1) + thumbnail)
    assert decode_picture(data, "x").shape == (200, 200, 3)
    cut = data[: len(data) * 2 // 3]
    assert b"\xff\xd9" in cut
    assert is_cut_jpeg(cut)
    with pytest.raises(PictureError, match="cut short"):
        decode_picture(cut, "x")


@pytest.mark.parametrize("missing_to", ["end mark", "zeros"])
def test_a_jpeg_whose_second_half_is_missing_is_refused(missing_to, capfd):
    noisy = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = encoded(noisy, ".jpg")
    half = data[: len(data) // 2]
    tail = {"end mark": b"\xff\xd9", "zeros": bytes(len(data) - len(half))}[missing_to]
    with pytest.raises(PictureError, match=r"damaged|cut short"):
        decode_picture(half + tail, "x")
    assert capfd.readouterr().err == ""


def test_bytes_behind_the_end_do_no_harm():
    data = encoded(four_colours(), ".jpg")
    np.testing.assert_array_equal(decode_picture(data + b"more", "x"), decode_picture(data, "x"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"just some words", "text"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"<svg></svg>", "SVG"),
        (b"%PDF-1.7 \x80", "PDF"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "video"),
        (bytes(100), "unknown format"),
        (b"\xff\xd8\xff", "cut short"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_reason(data, why):
    with pytest.raises(PictureError, match=why) as caught:
        decode_picture(data, "holiday.jpg")
    assert str(caught.value).startswith("holiday.jpg ")
    assert "\n" not in str(caught.value)


def test_harmless_complaints_of_libraries_stay_off_stderr(capfd):
    """libpng warns about colour profiles that half of the internet has."""
    png = encoded(four_colours(), ".png")
    body = b"iCCPx\0\0" + zlib.compress(b"bad profile")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    decoded = decode_picture(png[:33] + chunk + png[33:], "x")
    np.testing.assert_array_equal(decoded, four_colours())
    assert capfd.readouterr().err == ""


def test_decoding_works_without_a_stderr():
    code = "import sys; from device.pictures.decode import decode_picture\n"
    code += "sys.exit(decode_picture(sys.stdin.buffer.read(), 'x').shape != (48, 64, 3))"
    done = subprocess.run(
        ["sh", "-c", f'exec "{sys.executable}" -c "$0" 2>&-', code],
        input=encoded(four_colours(), ".png"),
    )
    assert done.returncode == 0


def test_what_others_write_meanwhile_still_reaches_stderr(capfd):
    with captured_native_stderr() as said:
        os.write(2, b"another thread's line\nlibpng warning: iCCP: too short\n")
    assert said == ["libpng warning: iCCP: too short"]
    assert capfd.readouterr().err == "another thread's line\n"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from([".jpg", ".png", ".webp", ".tiff", ".bmp"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8),
)
def test_no_damage_raises_anything_else_or_writes_on_stderr(suffix, changes, capfd):
    data = bytearray(encoded(four_colours(24, 24), suffix))
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        decoded = decode_picture(bytes(data), "x")
    except PictureError:
        pass
    else:
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3
    assert capfd.readouterr().err == ""


@given(st.binary(max_size=200))
def test_the_format_functions_take_any_bytes(data):
    assert isinstance(is_cut_jpeg(b"\xff\xd8\xff" + data), bool)
    assert 1 <= exif_orientation(b"\x89PNG\r\n\x1a\n" + data) <= 8
    assert 1 <= exif_orientation(b"RIFF\0\0\0\0WEBP" + data) <= 8


def test_pillow_writes_exif_that_we_read():
    """Our own EXIF blocks are checked against another program's, where it is installed."""
    pillow = pytest.importorskip("PIL.Image")
    exif = pillow.Exif()
    exif[0x0112] = 8
    picture = pillow.fromarray(np.dstack([four_colours(), np.full((48, 64), 200, np.uint8)]))
    for kind in ("PNG", "WEBP"):
        out = io.BytesIO()
        picture.save(out, kind, exif=exif)
        assert decode_picture(out.getvalue(), kind).shape == (64, 48, 3), kind


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_large_frame_is_halved_and_any_other_picture_is_as_it_is(suffix):
    large, usual = four_colours(3000, 4000), four_colours(480, 640)
    data = encoded(large, suffix)
    whole, halved = decode_picture(data, "x"), decode_picture(data, "x", is_frame=True)
    assert (whole.shape, halved.shape) == ((3000, 4000, 3), (1500, 2000, 3))
    assert halved.flags.c_contiguous
    difference = np.abs(preprocess(whole, 224).astype(int) - preprocess(halved, 224))
    assert difference.mean() < 1
    data = encoded(usual, suffix)
    np.testing.assert_array_equal(
        decode_picture(data, "x"), decode_picture(data, "x", is_frame=True)
    )


def test_a_large_frame_is_upright_too():
    data = jpeg_turned(encoded(four_colours(3000, 4000), ".jpg"), 6)
    assert decode_picture(data, "x", is_frame=True).shape == (2000, 1500, 3)
