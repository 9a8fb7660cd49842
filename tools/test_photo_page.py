"""The page of photographs: small files of named licences, and no verdict on another sentence."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import pytest

from seealoud.device.errors import PictureError
from tools import photo_page as tool

FREE = ("CC0", "public domain", "CC BY 4.0", "CC BY 2.0", "CC BY-SA 4.0")

PHOTOS = tool.read_photos(tool.PHOTOS)


def test_every_photograph_is_small_free_and_in_the_table() -> None:
    assert len(PHOTOS) == 12
    assert {path.name for path in tool.PHOTOS.glob("*.jpg")} == {photo.file for photo in PHOTOS}
    for photo in PHOTOS:
        path = tool.PHOTOS / photo.file
        assert path.stat().st_size <= tool.MAX_BYTES, photo.file
        image = cv2.imread(str(path))
        assert image is not None
        assert max(image.shape[:2]) == tool.LARGEST_PX
        assert photo.licence.startswith(FREE), photo
        assert photo.author
        assert photo.package
        assert photo.path


def test_a_verdict_is_on_a_sentence_and_not_on_a_photograph() -> None:
    verdicts = {("a.jpg", "I see a cat."): "yes"}
    photos = [tool.Photo(name, "a cat", "CC0", "x", "PyPI y 1", "z") for name in ("a.jpg", "b.jpg")]
    text = tool.page("ours", photos, ["I see a cat.", "I see a cat."], verdicts)
    assert re.findall(r"I see a cat\. \| (.+?) \|", text) == ["yes", tool.NOT_JUDGED]
    assert "yes: 1, not judged yet: 1." in text
    changed = tool.page("ours", photos[:1], ["I see a dog."], verdicts)
    assert f"I see a dog. | {tool.NOT_JUDGED} |" in changed


def test_verdicts_are_of_known_photographs_and_words(tmp_path: Path) -> None:
    assert {file for file, _ in tool.read_verdicts(tool.PHOTOS)} <= {one.file for one in PHOTOS}
    (tmp_path / tool.VERDICTS).write_text("file\tsentence\tright\na.jpg\tI see.\tperhaps\n")
    with pytest.raises(PictureError, match="perhaps"):
        tool.read_verdicts(tmp_path)


def test_the_page_is_what_its_tables_make() -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    (bundle,) = re.findall(r"^Said by (\S+) through", page, re.MULTILINE)
    shown = re.findall(r"^\| <img .*? \| (.+?) \| (.+?) \| .+? \|$", page, re.MULTILINE)
    assert [what for what, _ in shown] == [photo.shows for photo in PHOTOS]
    sentences = [sentence for _, sentence in shown]
    verdicts = tool.read_verdicts(tool.PHOTOS)
    assert page == tool.page(bundle, PHOTOS, sentences, verdicts), "run tools/photo_page.py page"


def test_a_picture_becomes_small(tmp_path: Path) -> None:
    original = tmp_path / "large.png"
    large = cv2.imread(str(tool.PHOTOS / "camera.jpg"))
    cv2.imwrite(str(original), cv2.resize(large, (1280, 1280)))
    content = tool.small_jpeg(original)
    assert len(content) <= tool.MAX_BYTES
    with pytest.raises(PictureError, match="absent"):
        tool.small_jpeg(tmp_path / "absent.png")
