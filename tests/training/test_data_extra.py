"""Further pictures: folders with captions.tsv, and rooms whose captions are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from seealoud.training.data.extra import is_plain, open_extra, room_sentences
from seealoud.training.errors import DatasetError


def write(root: Path, tables: dict[str, str], pictures: tuple[str, ...], images: str = "") -> Path:
    folder = root / images
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (root / name).write_text(text, encoding="utf-8")
    for name in pictures:
        (folder / name).touch()
    return root


def captions(root: Path, *, plain_sentences: bool = False) -> dict[str, tuple[str, ...]]:
    found = open_extra(root, plain_sentences=plain_sentences)
    return {picture.name: picture.captions for picture in found}


# --- captions.tsv -----------------------------------------------------------------------------

TWO = "b.jpg\tA cup on a table .\na.jpg\tA cat .\n\nb.jpg\t A table\twith a cup \n"


@pytest.mark.parametrize("images", ["", "images"])
def test_pictures_lie_in_images_or_beside_the_table(tmp_path: Path, images: str) -> None:
    root = write(tmp_path, {"captions.tsv": TWO}, ("a.jpg", "b.jpg", "other.jpg"), images)
    found = open_extra(root, plain_sentences=False)
    assert [picture.name for picture in found] == ["a.jpg", "b.jpg"]
    assert [picture.path for picture in found] == [
        tmp_path / images / "a.jpg",
        tmp_path / images / "b.jpg",
    ]
    assert found[0].captions == ("A cat .",)
    assert found[1].captions == ("A cup on a table .", "A table\twith a cup")


def test_a_mark_of_windows_programs_and_odd_separators_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeffa.jpg\tA cat\u2028on a bed .\r\n"
    assert captions(write(tmp_path, {"captions.tsv": text}, ("a.jpg",))) == {
        "a.jpg": ("A cat\u2028on a bed .",)
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\tA cat .\na.jpg A cat .\n", r"captions\.tsv line 2 is 'a\.jpg A cat \.', expected"),
        ("a.jpg\tA cat .\n\n\tA cat .\n", r"captions\.tsv line 3 is .*expected a file name and a"),
        ("a.jpg\t \n", r"captions\.tsv line 1 has no caption: expected FILE<tab>SENTENCE"),
        (
            "gone.jpg\tA cat .\nz.jpg\tA .",
            r"2 captioned pictures are not in .*first.* gone\.jpg: p",
        ),
        ("", "no caption of .* can be used for training"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        captions(write(tmp_path, {"captions.tsv": text}, ("a.jpg",)))


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "captions.tsv").write_bytes(b"a.jpg\t\xff\xfe")
    with pytest.raises(DatasetError, match=r"cannot read .*captions\.tsv"):
        captions(tmp_path)


def test_a_missing_folder_and_one_without_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no folder .*nothing of captioned pictures"):
        captions(tmp_path / "nothing")
    with pytest.raises(DatasetError, match=r"holds neither captions\.tsv nor labels\.tsv"):
        captions(tmp_path)


# --- plain sentences --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        "A red cup stands on a table .",
        "the person and another person sit on a couch",
        "a dog sleeps on a bed",
    ],
)
def test_what_is_seen_is_plain(sentence: str) -> None:
    assert is_plain(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "a red cup",
        " ".join(["a cup and"] * 6),
        "a cup of the year 2012 on a table",
        "stock photo of a red cup",
        "person in the kitchen with a cup",
        "a cup for person on a table",
        "",
    ],
    ids=lambda sentence: sentence[:25],
)
def test_what_sells_names_or_counts_is_not(sentence: str) -> None:
    assert not is_plain(sentence)


def test_sentences_that_are_not_plain_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    text = "a.jpg\ta cat sleeps on a bed\na.jpg\tcat 3\nb.jpg\tstock photo of a cat on a bed\n"
    root = write(tmp_path, {"captions.tsv": text}, ("a.jpg", "b.jpg"))
    assert captions(root, plain_sentences=True) == {"a.jpg": ("a cat sleeps on a bed",)}
    assert captions(root).keys() == {"a.jpg", "b.jpg"}


# --- rooms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "things", "sentences"),
    [
        (
            "kitchen",
            ["oven", "sink", "bowl"],
            [
                "a kitchen with an oven, a sink and a bowl",
                "an oven in a kitchen",
                "a sink in a kitchen",
            ],
        ),
        ("entrance hall", [], ["a view of an entrance hall"]),
        ("", ["books"], ["a room with books", "books in a room"]),
        ("", ["glass"], ["a room with a glass", "a glass in a room"]),
        ("", [], []),
    ],
)
def test_what_is_said_of_a_room(room: str, things: list[str], sentences: list[str]) -> None:
    assert list(room_sentences(room, things)) == sentences


def test_rooms_are_put_together_from_three_tables(tmp_path: Path) -> None:
    asked = "".join(
        f"n{k}.jpg\tsofa|odd_thing|rare\n" if k == 0 else f"n{k}.jpg\tsofa\n" for k in range(10)
    )
    tables = {
        "labels.tsv": "a.jpg\tkitchen\nb.jpg\tbathroom\n",
        "things.tsv": asked,
        "detected.tsv": (
            "a.jpg\tbowl:0.90:0.01 oven:0.50:0.30 tv:0.80:0.20 person:0.99:0.90 cup:0.49:0.95\n"
        ),
    }
    pictures = ("a.jpg", "b.jpg", *(f"n{k}.jpg" for k in range(10)))
    found = captions(write(tmp_path, tables, pictures))
    # The largest first; people are left to other captions; under 0.5 nothing is believed.
    assert found["a.jpg"][0] == "a kitchen with an oven, a screen and a bowl"
    assert found["b.jpg"] == ("a view of a bathroom",)
    # Asked about ten times; "rare" only once.
    assert found["n0.jpg"] == ("a room with a couch", "a couch in a room")


def test_labels_suffice_and_nothing_known_is_nothing_said(tmp_path: Path) -> None:
    root = write(tmp_path, {"labels.tsv": "a.jpg\tkitchen\nb.jpg\t\n"}, ("a.jpg", "b.jpg"))
    assert captions(root) == {"a.jpg": ("a view of a kitchen",)}


def test_a_score_that_is_no_number_is_passed_over(tmp_path: Path) -> None:
    tables = {
        "labels.tsv": "a.jpg\tkitchen\n",
        "detected.tsv": "a.jpg\toven:1.2.3:0.1 cup:0.9:.1\n",
    }
    found = captions(write(tmp_path, tables, ("a.jpg",)))
    assert found["a.jpg"][0] == "a kitchen with a cup"
