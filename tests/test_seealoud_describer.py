"""``import seealoud``: what it takes and returns, and every recipe of ``docs/python.md``."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from support.shipped import needs_shipped_bundle
from support.tiny_bundle import TINY_BUNDLE

import seealoud
from seealoud.device.errors import ConfigError, InferenceError
from seealoud.device.vision.bundle import find_bundle, load_bundle
from seealoud.device.vision.describe import open_describer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
PHOTO = ROOT / "docs" / "figures" / "photos" / "two-dogs.jpg"
OTHER = ROOT / "docs" / "figures" / "photos" / "coffee.jpg"
DEADLINE_S = 120
VIDEO_RATE_HZ = 10.0

pytestmark = needs_shipped_bundle
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture(scope="module")
def describer() -> Iterator[seealoud.Describer]:
    with seealoud.load() as loaded:
        yield loaded


def rgb(path: Path) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


def png(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def video(path: Path, n_frames: int = 20) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), VIDEO_RATE_HZ, (320, 240))
    for number in range(n_frames):
        still = PHOTO if number < n_frames // 2 else OTHER
        writer.write(cv2.resize(cv2.imread(str(still)), (320, 240)))
    writer.release()
    return path


# ---------------------------------------------------------------- pictures


def test_describe_says_what_the_device_says(describer: seealoud.Describer) -> None:
    from seealoud.device.pictures.decode import read_picture_file

    device = open_describer(load_bundle(find_bundle()))
    expected = device.look(read_picture_file(PHOTO, str(PHOTO)), captions_refused=True)
    device.close()
    found = describer.describe(PHOTO)
    assert found.text == expected.text
    assert (found.probability, found.reason) == (expected.probability, expected.reason)
    assert found.things == expected.things
    assert "dog" in found.text
    assert found.caption is not None
    assert found.caption.timings.total_ms > 0


@pytest.mark.parametrize(
    "make",
    [
        str,
        Path.read_bytes,
        lambda path: bytearray(path.read_bytes()),
        rgb,
        lambda path: np.asfortranarray(rgb(path)),
        lambda path: cv2.imread(str(path))[:, :, ::-1],
        lambda path: np.dstack([rgb(path), np.full(rgb(path).shape[:2], 255, np.uint8)]),
        Image.open,
        lambda path: Image.open(path).convert("RGBA"),
    ],
    ids=["str", "bytes", "bytearray", "array", "fortran", "view", "rgba", "pillow", "pillow-rgba"],
)
def test_a_picture_may_have_any_form(describer: seealoud.Describer, make: Any) -> None:
    expected = describer.describe(PHOTO)
    found = describer.describe(make(PHOTO))
    assert found.text == expected.text
    assert found.probability == pytest.approx(expected.probability, abs=1e-6)


def test_the_order_of_colours_is_rgb(describer: seealoud.Describer) -> None:
    first, reversed_ = describer.describe(rgb(PHOTO)), describer.describe(rgb(PHOTO)[:, :, ::-1])
    assert first.probability == describer.describe(PHOTO).probability
    assert first.probability != reversed_.probability


def test_grey_pictures_are_described_as_the_same_ones_in_a_file(
    describer: seealoud.Describer,
) -> None:
    grey = cv2.imread(str(PHOTO), cv2.IMREAD_GRAYSCALE)
    expected = describer.describe(png(Image.fromarray(grey))).probability
    assert describer.describe(grey).probability == expected
    assert describer.describe(Image.fromarray(grey)).probability == expected


def test_transparent_parts_are_white(describer: seealoud.Describer) -> None:
    image = Image.open(PHOTO).convert("RGBA")
    opacity = np.zeros((image.height, image.width), np.uint8)
    opacity[:, : image.width // 2] = 255
    image.putalpha(Image.fromarray(opacity))
    expected = describer.describe(png(image)).probability
    assert describer.describe(image).probability == expected
    assert describer.describe(np.asarray(image)).probability == expected
    assert describer.describe(image.convert("RGB")).probability != expected


def test_pillow_s_images_are_turned_upright(describer: seealoud.Describer, tmp_path: Path) -> None:
    turned = Image.open(PHOTO).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    expected = describer.describe(tmp_path / "turned.png").probability
    with Image.open(tmp_path / "turned.png") as image:
        assert describer.describe(image).probability == expected
    assert describer.describe(turned).probability != expected


def test_a_dark_picture_is_refused_as_by_the_device(describer: seealoud.Describer) -> None:
    found = describer.describe(np.zeros((240, 320, 3), np.uint8))
    assert found.reason == "too_dark"
    assert found.said_caption is None
    assert found.words == ""
    assert found.caption is not None  # bare, for programs


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        ("nowhere.jpg", "nowhere.jpg does not exist"),
        (b"", "is empty"),
        (b"no picture", "cannot be read as a picture"),
        ("https://me:secret@example.org/a.jpg", "https://example.org/a.jpg is an address"),
        (np.zeros((8, 8, 3)), "float64: give uint8"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \(8, 8, 2\) is no picture"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\) is no picture"),
        (np.zeros(8, np.uint8), r"shape \(8,\) is no picture"),
        (Image.new("I;16", (8, 8)), "mode I;16"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_next_step(
    describer: seealoud.Describer, picture: Any, message: str
) -> None:
    with pytest.raises(seealoud.PictureError, match=message) as caught:
        describer.describe(picture)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("thing", [None, 7, ["photo.jpg"], io.BytesIO(b"")])
def test_what_is_no_picture_at_all_is_a_type_error(
    describer: seealoud.Describer, thing: Any
) -> None:
    with pytest.raises(TypeError, match=f"not {type(thing).__name__}"):
        describer.describe(thing)


def test_a_cut_file_of_pillow_is_refused(describer: seealoud.Describer, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(PHOTO.read_bytes()[:2000])
    with (
        Image.open(tmp_path / "cut.jpg") as image,
        pytest.raises(seealoud.PictureError, match="Pillow cannot be read"),
    ):
        describer.describe(image)


# ---------------------------------------------------------------- several


def test_describe_many_keeps_the_order_and_reports_what_it_leaves_out(
    describer: seealoud.Describer,
) -> None:
    missing = Path("missing.jpg")
    failed: list[tuple[Path, str]] = []
    found = describer.describe_many(
        iter([PHOTO, missing, OTHER]), on_error=lambda path, why: failed.append((path, str(why)))
    )
    assert [path for path, _ in found] == [PHOTO, OTHER]
    assert failed == [(missing, "missing.jpg does not exist: check the path")]
    with pytest.raises(seealoud.PictureError, match="missing"):
        list(describer.describe_many([missing]))


def test_describe_video_has_the_times_of_its_frames(
    describer: seealoud.Describer, tmp_path: Path
) -> None:
    path = video(tmp_path / "clip.avi")
    found = list(describer.describe_video(path, every_s=0.5))
    assert [at_s for at_s, _ in found] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert "dog" in found[0][1].text
    assert found[2][1].words != found[0][1].words
    assert len(list(describer.describe_video(path, every_s=0))) == 20


def test_describe_video_refuses_what_is_none(describer: seealoud.Describer, tmp_path: Path) -> None:
    with pytest.raises(seealoud.PictureError, match=r"clip\.avi does not exist"):
        next(describer.describe_video("clip.avi"))
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(seealoud.PictureError, match=r"text\.avi is not a video"):
        next(describer.describe_video(tmp_path / "text.avi"))
    with pytest.raises(ConfigError, match="every_s=-1"):
        next(describer.describe_video(PHOTO, every_s=-1))


def test_several_threads_take_turns(describer: seealoud.Describer) -> None:
    expected = describer.describe(PHOTO).text
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(describer.describe(PHOTO).text))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert found == [expected] * 4


# ---------------------------------------------------------------- loading


def test_load_takes_a_bundle_and_is_closed_twice() -> None:
    tiny = seealoud.load(TINY_BUNDLE, threads=1)
    assert tiny.bundle == load_bundle(TINY_BUNDLE).name
    assert tiny.describe(PHOTO).text
    tiny.close()
    tiny.close()
    with pytest.raises(InferenceError, match="closed"):
        tiny.describe(PHOTO)
    with pytest.raises(seealoud.BundleError, match="nothing"):
        seealoud.load("nothing")
    with pytest.raises(seealoud.SeeAloudError, match="threads 0"):
        seealoud.load(threads=0)


def test_importing_it_imports_nothing_else() -> None:
    program = (
        "import sys, seealoud\n"
        "found = {'numpy', 'cv2', 'pydantic', 'PIL', 'ai_edge_litert'} & {*sys.modules}\n"
        "assert not found, found\n"
        "assert {*seealoud.__all__} <= {*dir(seealoud)}\n"
        "for name in seealoud.__all__: getattr(seealoud, name)\n"
        "assert 'PIL' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        seealoud.lod  # type: ignore[attr-defined]  # noqa: B018


# ---------------------------------------------------------------- docs/python.md

RECIPES = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with the files that the recipes name."""
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    (tmp_path / "holiday").mkdir()
    shutil.copy(OTHER, tmp_path / "holiday" / "coffee.jpg")
    shutil.copy(PHOTO, tmp_path / "holiday" / "dogs.jpg")
    (tmp_path / "holiday" / "notes.txt").write_text("not a picture")
    video(tmp_path / "clip.avi")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_recipe_works(
    number: int,
    describer: seealoud.Describer,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(compile(RECIPES[number], f"recipe {number}", "exec"), {
        "describer": describer, "seealoud": seealoud,
    })  # fmt: skip
    assert capsys.readouterr().out.strip()
    if "holiday.csv" in RECIPES[number]:
        lines = (pictures / "holiday.csv").read_text().splitlines()
        assert [line.partition(",")[0] for line in lines] == ["file", "coffee.jpg", "dogs.jpg"]


def test_the_page_has_recipes_and_every_name() -> None:
    assert len(RECIPES) >= 9
    for name in seealoud.__all__:
        assert name == "__version__" or f"`{name}" in PAGE.replace("seealoud.load", "load"), name
