"""The readers: one data set written in every form comes back the same; every fault is named."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.training.data import readers
from seealoud.training.data.dataset import SPLITS, Dataset
from seealoud.training.data.readers import default_data, official_split, open_dataset
from seealoud.training.errors import DatasetError

Captions = Mapping[str, Sequence[str]]
Splits = Mapping[str, Sequence[str]]
Writer = Callable[[Path, Captions, Splits], None]

CAPTIONS = {
    "a.jpg": ["A red dog .", 'A "big" dog , running , jumps .'],
    "b.jpg": ["Two cats ."],
    "c.jpg": ["A boat .", "Water ."],
    "d.jpg": ["A man 's hat #3 ."],
}
LISTS = {"train": ["b.jpg", "a.jpg"], "dev": ["c.jpg"], "test": ["d.jpg"]}

TOKENS = "Flickr8k.token.txt"
CSV = "captions.txt"
FLICKR8K = Path(
    os.environ.get("SEEALOUD_FLICKR8K", Path(__file__).parents[3] / "shared" / "flickr8k")
)


def split_file(split: str) -> str:
    return f"Flickr_8k.{split}Images.txt"


def write_pictures(root: Path, captions: Captions, folder: str = "images") -> None:
    """The readers look for files, not into them."""
    (root / folder).mkdir(parents=True)
    for name in captions:
        (root / folder / name).touch()


def write_lists(root: Path, splits: Splits) -> None:
    for split, names in splits.items():
        (root / split_file(split)).write_text("\n".join(names) + "\n", encoding="utf-8")


def write_original(root: Path, captions: Captions, splits: Splits) -> None:
    write_pictures(root, captions, "Flicker8k_Dataset")
    lines = [f"{name}#{k}\t{text}" for name in captions for k, text in enumerate(captions[name])]
    (root / TOKENS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_lists(root, splits)


def write_kaggle(root: Path, captions: Captions, splits: Splits) -> None:
    write_pictures(root, captions, "Images")
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["image", "caption"])
    rows.writerows((name, text) for name in captions for text in captions[name])
    (root / CSV).write_text(file.getvalue(), encoding="utf-8")
    write_lists(root, splits)


def write_kaggle_unquoted(root: Path, captions: Captions, splits: Splits) -> None:
    write_kaggle(root, captions, splits)
    lines = ["image,caption", *(f"{n},{text}" for n in captions for text in captions[n])]
    # With the byte order mark that Excel writes.
    (root / CSV).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def write_coco(root: Path, captions: Captions, splits: Splits) -> None:
    """One file per split, as COCO's own; the annotations in an order of their own."""
    write_pictures(root, captions)
    (root / "licence.json").write_text('{"of": "somebody"}')
    file_names = {"train": "captions_train2014", "dev": "captions_val2014", "test": "my_test"}
    for split, names in splits.items():
        images = [{"id": 100 + k, "file_name": name} for k, name in enumerate(names)]
        annotations = [
            {"image_id": image["id"], "caption": text + "\n"}
            for image in reversed(images)
            for text in captions[str(image["file_name"])]
        ]
        content = {"images": images, "annotations": annotations}
        (root / f"{file_names[split]}.json").write_text(json.dumps(content))


def write_karpathy(root: Path, captions: Captions, splits: Splits) -> None:
    write_pictures(root, captions)
    marks = {"train": ("train", "restval"), "dev": ("val",), "test": ("test",)}
    images = [
        {
            "filename": name,
            "split": marks[split][k % len(marks[split])],
            "sentences": [{"raw": f" {text}", "tokens": text.split()} for text in captions[name]],
        }
        for split, names in splits.items()
        for k, name in enumerate(names)
    ]
    (root / "dataset_flickr8k.json").write_text(json.dumps({"images": images}))


WRITERS = {
    "original": write_original,
    "kaggle": write_kaggle,
    "kaggle unquoted": write_kaggle_unquoted,
    "coco": write_coco,
    "karpathy": write_karpathy,
}


def contents(dataset: Dataset) -> dict[str, list[tuple[str, list[str]]]]:
    return {s: [(p.name, list(p.captions)) for p in dataset.split(s)] for s in SPLITS}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_every_form_gives_the_same_data_set(write: Writer, tmp_path: Path) -> None:
    write(tmp_path, CAPTIONS, LISTS)
    dataset = open_dataset(tmp_path)
    assert contents(dataset) == {s: [(name, CAPTIONS[name]) for name in LISTS[s]] for s in LISTS}
    for split in SPLITS:
        for picture in dataset.split(split):
            assert picture.path.is_file()
            assert picture.path.name == picture.name


# What may stand in a caption; no line break, since every form has one caption a line.
LINE_BREAKS = "\n\r"
sentences = (
    st.text(st.characters(codec="utf-8", exclude_characters=LINE_BREAKS), min_size=1)
    .map(str.strip)
    .filter(bool)
)
file_names = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=8).map(
    lambda stem: f"{stem}.jpg"
)


@pytest.mark.parametrize("write", [w for k, w in WRITERS.items() if k != "kaggle unquoted"])
@given(captions=st.dictionaries(file_names, st.lists(sentences, min_size=1), min_size=3))
def test_any_caption_survives(
    write: Writer, captions: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any")
    first, second, *rest = captions
    splits = {"train": rest, "dev": [first], "test": [second]}
    write(root, captions, splits)
    assert contents(open_dataset(root)) == {
        s: [(name, captions[name]) for name in splits[s]] for s in splits
    }


def test_an_odd_quotation_mark_swallows_nothing(tmp_path: Path) -> None:
    """Read as a quoted field it would take in all captions up to the next one."""
    captions = {"a.jpg": ['"A dog .'], "b.jpg": ["A cat ."], "c.jpg": ['"B" .'], "d.jpg": ["D ."]}
    write_kaggle_unquoted(tmp_path, captions, LISTS)
    found = contents(open_dataset(tmp_path))
    assert found["train"] == [("b.jpg", ["A cat ."]), ("a.jpg", ["A dog ."])]


def test_blank_lines_count_and_say_nothing(tmp_path: Path) -> None:
    write_kaggle(tmp_path, CAPTIONS, LISTS)
    append(CSV, "\n \n")(tmp_path)
    assert contents(open_dataset(tmp_path))["test"] == [("d.jpg", CAPTIONS["d.jpg"])]
    append(CSV, "a.jpg\n")(tmp_path)
    with pytest.raises(DatasetError, match="line 10 is"):
        open_dataset(tmp_path)


def test_pictures_on_no_list_take_no_part(tmp_path: Path) -> None:
    write_original(tmp_path, {**CAPTIONS, "spare.jpg": ["A spare one ."]}, LISTS)
    assert contents(open_dataset(tmp_path))["train"] == [(n, CAPTIONS[n]) for n in LISTS["train"]]


def test_pictures_may_lie_beside_the_captions(tmp_path: Path) -> None:
    write_original(tmp_path, CAPTIONS, LISTS)
    for path in (tmp_path / "Flicker8k_Dataset").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / "Flicker8k_Dataset").rmdir()
    assert open_dataset(tmp_path).dev[0].path == tmp_path / "c.jpg"


# --- the split of a Kaggle copy without lists -------------------------------------------------


def kaggle_without_lists(root: Path, names: Sequence[str]) -> Dataset:
    write_kaggle(root, {name: ["A dog ."] for name in names}, LISTS)
    for split in SPLITS:
        (root / split_file(split)).unlink()
    return open_dataset(root)


def test_flickr8ks_pictures_get_the_official_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the order of its lists, so that features in the cache are found; others are left out."""
    caplog.set_level("INFO", logger="seealoud.training")
    official = official_split()
    here = {split: names[:4] for split, names in official.items()}
    unlisted = ["unlisted.jpg", "another.jpg"]
    dataset = kaggle_without_lists(tmp_path, sorted([*itertools.chain(*here.values()), *unlisted]))
    assert {s: [p.name for p in dataset.split(s)] for s in SPLITS} == here
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert "train 4, dev 4, test 4 pictures; 2 on no list are left out" in record.getMessage()


def test_the_official_split_is_that_of_the_published_lists() -> None:
    official = official_split()
    assert {split: len(names) for split, names in official.items()} == {
        "train": 6000,
        "dev": 1000,
        "test": 1000,
    }
    assert len({name for names in official.values() for name in names}) == 8000


@pytest.mark.flickr8k
@pytest.mark.skipif(
    not (FLICKR8K / TOKENS).is_file(), reason=f"no Flickr8k in {FLICKR8K} (SEEALOUD_FLICKR8K)"
)
def test_the_original_and_the_kaggle_form_of_flickr8k_have_one_split(tmp_path: Path) -> None:
    original = open_dataset(FLICKR8K)
    (tmp_path / "Images").symlink_to((FLICKR8K / "images").absolute())
    lines = (FLICKR8K / TOKENS).read_text(encoding="utf-8").splitlines()
    pairs = [line.split("#", 1)[0] + "," + line.split("\t", 1)[1].strip() for line in lines]
    pairs = [pair for pair in pairs if not pair.startswith("2258277193_586949ec62.jpg.1,")]
    (tmp_path / CSV).write_text("\n".join(["image,caption", *pairs]) + "\n", encoding="utf-8")
    assert {s: [p.name for p in open_dataset(tmp_path).split(s)] for s in SPLITS} == {
        s: [p.name for p in original.split(s)] for s in SPLITS
    }


def test_other_pictures_are_split_by_hash_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kaggle_without_lists(tmp_path, [f"{k}.jpg" for k in range(10)])
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "scores cannot be compared with published ones" in record.getMessage()
    assert "Flickr_8k.trainImages.txt" in record.getMessage()


def test_the_split_by_hash_is_the_same_everywhere(tmp_path: Path) -> None:
    dataset = kaggle_without_lists(tmp_path, [f"{k}.jpg" for k in range(10)])
    assert {s: [p.name for p in dataset.split(s)] for s in SPLITS} == {
        "train": ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg", "6.jpg", "8.jpg"],
        "dev": ["7.jpg", "9.jpg"],
        "test": ["5.jpg"],
    }


def test_the_split_by_hash_depends_on_no_other_picture(tmp_path: Path) -> None:
    names = [f"{k}.jpg" for k in range(400)]
    whole = kaggle_without_lists(tmp_path / "whole", names)
    half = kaggle_without_lists(tmp_path / "half", names[::-2])
    for split in SPLITS:
        of_half = {p.name for p in half.split(split)}
        assert of_half == {p.name for p in whole.split(split)} & set(names[::-2])
    assert len(whole.train) == pytest.approx(300, abs=30)
    assert len(whole.dev) == pytest.approx(50, abs=20)


@pytest.mark.parametrize("split", SPLITS)
def test_a_kaggle_copy_with_some_lists_needs_them_all(split: str, tmp_path: Path) -> None:
    write_kaggle(tmp_path, CAPTIONS, LISTS)
    (tmp_path / split_file(split)).unlink()
    with pytest.raises(DatasetError, match=split_file(split)):
        open_dataset(tmp_path)


# --- faults -----------------------------------------------------------------------------------

Fault = Callable[[Path], None]


def append(name: str, text: str) -> Fault:
    def fault(root: Path) -> None:
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return fault


def replace(name: str, old: str, new: str) -> Fault:
    def fault(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new), encoding="utf-8")

    return fault


def remove(name: str) -> Fault:
    return lambda root: (root / name).unlink()


def overwrite(name: str, content: bytes | object) -> Fault:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda root: (root / name).write_bytes(data) and None


def change_json(name: str, change: Callable[[dict], object]) -> Fault:
    def fault(root: Path) -> None:
        content = json.loads((root / name).read_text())
        change(content)
        (root / name).write_text(json.dumps(content))

    return fault


NOT_UTF8 = "Ein Bär".encode("latin-1")

FAULTS: dict[str, tuple[Writer, Fault, str]] = {
    # between the parts
    "picture missing": (
        write_original,
        remove("Flicker8k_Dataset/c.jpg"),
        r"^1 captions without a picture in .*Flicker8k_Dataset: c\.jpg; unpack",
    ),
    "picture of a Kaggle copy missing": (write_kaggle, remove("Images/a.jpg"), r"picture.*a\.jpg"),
    "picture of a COCO set missing": (write_coco, remove("images/a.jpg"), r"picture.*a\.jpg"),
    "caption without picture": (
        write_original,
        append(TOKENS, "".join(f"no{k}.jpg#0\tA ghost .\n" for k in range(5))),
        r"5 captions without a picture.*no0\.jpg, no1\.jpg, no2\.jpg and 2 more",
    ),
    "listed picture without file or caption": (
        write_original,
        append(split_file("dev"), "no.jpg\n"),
        r"split lists missing in .*: no\.jpg; unpack",
    ),
    "listed picture without caption": (
        write_original,
        replace(TOKENS, "b.jpg#0\tTwo cats .\n", ""),
        r"^1 pictures of the split lists without a caption: b\.jpg; add",
    ),
    "Karpathy's picture without caption": (
        write_karpathy,
        change_json("dataset_flickr8k.json", lambda c: c["images"][0]["sentences"].clear()),
        r"without a caption: b\.jpg",
    ),
    "in two splits": (
        write_original,
        append(split_file("test"), "a.jpg\n"),
        r"picture a\.jpg is in train and test: .*one split only",
    ),
    "twice in a split": (
        write_kaggle,
        append(split_file("dev"), "c.jpg\n"),
        r"picture c\.jpg is twice in dev",
    ),
    "in two COCO files": (
        write_coco,
        change_json("my_test.json", lambda c: c["images"].append({"id": 7, "file_name": "c.jpg"})),
        r"picture c\.jpg is in dev and test",
    ),
    "twice in Karpathy's file": (
        write_karpathy,
        change_json("dataset_flickr8k.json", lambda c: c["images"].append(c["images"][0])),
        r"picture b\.jpg is twice in train",
    ),
    "no pictures": (
        lambda root, captions, splits: (
            write_original(root, {}, splits),
            write_lists(root, splits),
        )[0],
        lambda root: None,
        r"no pictures in .*Flicker8k_Dataset: unpack",
    ),
    "empty split": (
        write_original,
        overwrite(split_file("dev"), b"\n"),
        "splits without a picture: dev",
    ),
    # in one file
    "no tab": (write_original, append(TOKENS, "a.jpg#9 A dog .\n"), r"line 7 is 'a\.jpg#9 A dog"),
    "no number": (write_original, append(TOKENS, "\na.jpg\tA dog .\n"), "line 8 is"),
    "no sentence": (write_original, append(TOKENS, "a.jpg#9\t \n"), "line 7 is .*NAME#NUMBER"),
    "no split list": (write_original, remove(split_file("test")), "cannot read .*testImages"),
    "wrong header": (
        write_kaggle,
        replace(CSV, "image,caption", "caption,image"),
        r"captions\.txt begins with \['caption', 'image'\], expected the header image,caption",
    ),
    "empty CSV": (write_kaggle, overwrite(CSV, b""), r"captions\.txt begins with \[\]"),
    "row without caption": (write_kaggle, append(CSV, "a.jpg\n"), r"line 8 is \['a\.jpg'\]"),
    "row with empty caption": (write_kaggle, append(CSV, "a.jpg, \n"), "line 8 is"),
    "row broken in two": (
        write_kaggle,
        append(CSV, 'a.jpg,"A dog\nruns ."\n'),
        r"line 9 is \['runs \.\"'\], expected image,caption",
    ),
    "COCO file of no split": (
        write_coco,
        lambda root: (root / "my_test.json").rename(root / "mine.json") and None,
        r"cannot determine the split of .*mine\.json: put train, val or test",
    ),
    "COCO split missing": (
        write_coco,
        remove("captions_val2014.json"),
        "no pictures for the splits dev",
    ),
    "annotation of an unknown image": (
        write_coco,
        change_json("my_test.json", lambda c: c["annotations"].append({"image_id": 1})),
        r"my_test\.json is not COCO caption JSON: KeyError\(1\)",
    ),
    "annotations are no list": (
        write_coco,
        overwrite("my_test.json", {"images": [], "annotations": 5}),
        r"my_test\.json is not COCO caption JSON",
    ),
    "Karpathy's split unknown": (
        write_karpathy,
        change_json("dataset_flickr8k.json", lambda c: c["images"][0].update(split="extra")),
        "Karpathy's form: KeyError.'extra'",
    ),
    "JSON of something else": (write_coco, overwrite("my_test.json", [1, 2]), "the splits test"),
    "JSON number": (write_coco, overwrite("my_test.json", 3), "the splits test"),
    "broken JSON": (write_coco, overwrite("my_test.json", b"{"), r"cannot read .*my_test\.json"),
    "tokens not UTF-8": (write_original, overwrite(TOKENS, NOT_UTF8), f"cannot read .*{TOKENS}"),
    "list not UTF-8": (
        write_original,
        overwrite(split_file("dev"), NOT_UTF8),
        "cannot read .*devImages.*utf-8",
    ),
    "CSV not UTF-8": (write_kaggle, overwrite(CSV, NOT_UTF8), f"cannot read .*{CSV}"),
    "JSON not UTF-8": (write_coco, overwrite("my_test.json", NOT_UTF8), "cannot read .*my_test"),
    "unknown form": (write_original, remove(TOKENS), f"neither {TOKENS}, nor captions.txt, nor"),
}


@pytest.mark.parametrize(("write", "fault", "message"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_named(write: Writer, fault: Fault, message: str, tmp_path: Path) -> None:
    write(tmp_path, CAPTIONS, LISTS)
    fault(tmp_path)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_an_empty_folder_is_of_no_known_form(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"{tmp_path} holds neither"):
        open_dataset(tmp_path)


def test_a_missing_folder_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no folder .*nowhere: .*--data"):
        open_dataset(tmp_path / "nowhere")


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALOUD_FLICKR8K", "/elsewhere")
    assert default_data() == Path("/elsewhere")
    monkeypatch.delenv("SEEALOUD_FLICKR8K")
    assert default_data() == Path("../shared/flickr8k")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is simulated."""
    write_original(tmp_path, CAPTIONS, LISTS)

    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(readers.Path, "read_text", refuse)
    with pytest.raises(DatasetError, match=f"cannot read .*{TOKENS}.*Permission denied"):
        open_dataset(tmp_path)
