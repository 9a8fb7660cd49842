"""The reviewed names, and how they are made of WordNet."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from seealoud.device.english import indefinite, plural
from seealoud.training.errors import DatasetError
from seealoud.training.names.everyday import (
    N_CLASSES,
    NEVER_SAID,
    read_rules,
    read_table,
)
from seealoud.training.names.make import read_synsets, read_wordnet, roll_up

# In WordNet's own format: offset, file, kind, words (hexadecimal count), pointers, gloss.
DATA_NOUN = """\
  1 A licence stands here, indented.
00000010 03 n 01 entity 0 000 | all there is
00000020 05 n 02 dog 0 domestic_dog 0 001 @ 00000010 n 0000 | barks
00000030 05 n 01 puppy 0 002 @ 00000020 n 0000 ~ 00000040 n 0000 | small
00000040 05 n 01 pug 0 001 @i 00000030 n 0000 | smaller
00000050 06 n 01 dog 1 001 @ 00000010 n 0000 | holds logs
"""
INDEX_NOUN = """\
  1 A licence stands here, indented.
dog n 2 1 @ 2 1 00000020 00000050
domestic_dog n 1 1 @ 1 0 00000020
entity n 1 0 1 0 00000010
pug n 1 1 @ 1 0 00000040
puppy n 1 1 @ 1 0 00000030
"""


@pytest.fixture
def wordnet_folder(tmp_path: Path) -> Path:
    (tmp_path / "data.noun").write_text(DATA_NOUN)
    (tmp_path / "index.noun").write_text(INDEX_NOUN)
    return tmp_path


def test_wordnet_is_read(wordnet_folder: Path) -> None:
    found = read_wordnet(wordnet_folder)
    assert found.nouns[20].words == ("dog", "domestic dog")
    assert found.senses["dog"] == (20, 50)
    assert found.distances(40) == {40: 0, 30: 1, 20: 2, 10: 3}


def test_wordnet_that_is_missing_or_broken_is_refused(wordnet_folder: Path) -> None:
    (wordnet_folder / "data.noun").write_text("00000010 03 n zz entity | broken\n")
    with pytest.raises(DatasetError, match="is no noun"):
        read_wordnet(wordnet_folder)
    with pytest.raises(DatasetError, match="install Debian's wordnet-base"):
        read_wordnet(wordnet_folder / "elsewhere")


def rules_file(folder: Path, text: str) -> Path:
    path = folder / "names.txt"
    path.write_text(text)
    return path


def test_a_class_takes_the_nearest_name(wordnet_folder: Path) -> None:
    wordnet = read_wordnet(wordnet_folder)
    text = "thing : entity : thing\nbeast < thing : dog : beast\npet < beast : puppy : pet"
    rules = read_rules(rules_file(wordnet_folder, text))
    # A word of a class is that class alone; any other noun is all that WordNet has below it.
    assert roll_up(rules, wordnet, [30, 40, 50]) == ["pet", "thing", "beast"]
    assert roll_up(rules, wordnet, [30, 40]) == ["pet", "beast"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("beast : cat : beast", "'cat' is of no ImageNet class"),
        ("beast : pug : beast", "'dog' has no name"),
        ("beast : entity : beast\npet : entity : pet", "is beast and pet"),
    ],
)
def test_rules_that_do_not_name_every_class_once_are_refused(
    wordnet_folder: Path, text: str, reason: str
) -> None:
    rules = read_rules(rules_file(wordnet_folder, text))
    with pytest.raises(DatasetError, match=reason):
        roll_up(rules, read_wordnet(wordnet_folder), [20, 40])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("beast : dog", "expected NAME : SOURCES : WORDS"),
        ("beast : dog : dog\nbeast : pug : pug", "beast occurs twice"),
        ("pug < beast : dog : dog", "there is no such name"),
    ],
)
def test_lines_that_are_no_rules_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        read_rules(rules_file(tmp_path, text))


def test_the_classes_are_read_from_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "timm.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("timm/data/_info/imagenet_synsets.txt", "n00000020\n" * N_CLASSES)
    assert read_synsets(wheel) == ["n00000020"] * N_CLASSES
    with pytest.raises(DatasetError, match="pip download"):
        read_synsets(tmp_path / "missing.whl")


# --- the table that ships -----------------------------------------------------------------------

TABLE = read_table()
RULES = read_rules()
# Whatever a camera in a home makes of somebody or something, these are not said.
FORBIDDEN = (
    "gun, rifle, revolver, pistol, weapon, bow, cannon, missile, tank, guillotine, prison, "
    "monkey, ape, gorilla, chimpanzee, baboon, orangutan, snake, scorpion, cockroach, crocodile, "
    "syringe, stretcher, crutch, diaper, brassiere, nipple, pill bottle, abaya, wig, groom, safe, "
    "holster, "
    "cash machine, slot machine, restaurant, shield"
)


def classes_of(name: str) -> list[int]:
    return [row for row, found in enumerate(TABLE) if found == name]


def test_every_class_has_a_known_name_and_every_name_a_class() -> None:
    assert set(TABLE) - {NEVER_SAID} <= set(RULES.names)
    for name in RULES.names:
        assert any(classes_of(below) for below in RULES.narrower(name)), name


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (151, "dog"),  # Chihuahua
        (264, "dog"),  # Cardigan, the corgi; not the sweater
        (281, "cat"),
        (664, "screen"),  # monitor
        (829, "train"),  # streetcar
        (705, "train"),  # passenger car
        (681, "laptop"),  # notebook
        (504, "cup"),  # coffee mug
        (831, "couch"),  # studio couch
        (648, "mirror"),  # medicine chest
        (413, NEVER_SAID),  # assault rifle
        (366, NEVER_SAID),  # gorilla
    ],
)
def test_a_class_is_called_as_people_do(index: int, name: str) -> None:
    assert TABLE[index] == name


def test_all_breeds_are_dogs() -> None:
    assert {TABLE[index] for index in range(151, 269)} == {"dog"}


def test_no_primate_and_no_snake_is_ever_said() -> None:
    assert {TABLE[index] for index in (*range(365, 385), *range(52, 69))} == {NEVER_SAID}


def test_nothing_forbidden_is_a_name() -> None:
    assert set(RULES.names).isdisjoint(FORBIDDEN.split(", "))


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("owl", "an owl"),
        ("unicycle", "a unicycle"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("sunglasses", "sunglasses"),
        ("bread", "bread"),
        ("skis", "skis"),
        ("couch", "a couch"),
    ],
)
def test_a_name_is_said_with_its_article(name: str, phrase: str) -> None:
    assert RULES.names[name].phrase == phrase


def test_what_is_plural_by_nature_has_no_article() -> None:
    ends_in_s = {name for name in RULES.names if name.endswith("s") and not name.endswith("ss")}
    with_one = {name for name in ends_in_s if RULES.names[name].phrase != name}
    assert with_one == {"bus", "school bus", "walrus", "octopus"} & ends_in_s


@pytest.mark.parametrize(
    ("one", "several"),
    [("bench", "benches"), ("puppy", "puppies"), ("toy", "toys"), ("coffee table", "coffee tables"),
     ("wolf", "wolves"), ("computer mouse", "computer mice"), ("sheep", "sheep")],
)  # fmt: skip
def test_plurals(one: str, several: str) -> None:
    assert plural(one) == several


def test_articles_follow_the_sound() -> None:
    assert [indefinite(name) for name in ("apple", "unicycle", "cup")] == [
        "an apple",
        "a unicycle",
        "a cup",
    ]
