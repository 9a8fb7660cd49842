"""The run record: written, read back, refused when wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from seealoud.training.errors import TrainingError
from seealoud.training.metrics import java
from seealoud.training.metrics import tokenise as tokenise_module
from seealoud.training.metrics.bootstrap import interval
from seealoud.training.metrics.judgement import Tally
from seealoud.training.metrics.scores import score_tokens
from seealoud.training.records.baselines import CANDIDATES, floor_record, human_record
from seealoud.training.records.run import (
    FLOOR_NAME,
    HUMAN_NAME,
    INT8_BUNDLE,
    KERAS_FLOAT32,
    SCHEMA_VERSION,
    Bounds,
    Epoch,
    Metrics,
    Quantization,
    RunRecord,
    read_record,
    read_records,
    refuse_to_hide_a_bundle,
    write_record,
)

REFERENCES = {
    "p": [
        ("a", "red", "dog", "runs", "fast"),
        (
            "a",
            "dog",
        ),
    ],
    "q": [("a", "man", "sits", "down"), ("the", "man")],
    "r": [("two", "cats", "on", "a", "mat"), ("cats",)],
}


def metrics() -> Metrics:
    scores = score_tokens(
        {name: refs[0] for name, refs in REFERENCES.items()}, REFERENCES, with_meteor=False
    )
    return Metrics.of(scores, {"colour": Tally(3, 2)})


def record(name: str = "lite0-merge") -> RunRecord:
    return RunRecord(
        name=name,
        config={"encoder": {"name": "efficientnet_lite0", "blocks": [11, 12]}, "rate": 0.1},
        seed=3,
        git_commit="0123abc",
        measured=INT8_BUNDLE,
        dev=metrics(),
        test=metrics(),
        wall_time_s=61,
        parameters=1_700_000,
        bundle_bytes=5_000_000,
        latency_ms=20.5,
        latency_machine="one x86 thread",
        quantization=Quantization(
            float32=metrics().without_pictures(),
            int8=metrics().without_pictures(),
            cider_change=Bounds(estimate=-0.2, low=-0.9, high=0.5),
        ),
        history=(Epoch(epoch=1, train_loss=4.2, dev_cider=10.0), Epoch(epoch=2, seconds=80.0)),
        note="a ± note",
    )


def changed(path: Path, change: dict[str, Any]) -> Path:
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored.update(change)
    path.write_text(json.dumps(stored), encoding="utf-8")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path / "docs" / "runs")
    assert path.name == "lite0-merge.json"
    assert read_record(path) == record()
    assert read_record(path).schema_version == SCHEMA_VERSION


def test_the_file_is_for_people_and_diffs(tmp_path: Path) -> None:
    first = write_record(record(), tmp_path).read_bytes()
    assert first == write_record(record(), tmp_path).read_bytes()
    assert first.endswith(b"}\n")
    assert "a ± note" in first.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["lite0-merge.json"]


def test_metrics_carry_their_intervals() -> None:
    scores = score_tokens(
        {name: refs[0] for name, refs in REFERENCES.items()}, REFERENCES, with_meteor=False
    )
    found = metrics()
    assert found.pictures == 3
    assert found.meteor is None
    assert found.cider == Bounds.of(interval(scores))
    assert found.bleu_4.estimate == pytest.approx(scores.bleu_4, abs=1e-3)
    assert found.precision["colour"].precision == pytest.approx(2 / 3)


def test_each_pictures_cider_is_one_line_of_the_file(tmp_path: Path) -> None:
    scores = score_tokens(
        {name: refs[0] for name, refs in REFERENCES.items()}, REFERENCES, with_meteor=False
    )
    assert metrics().cider_n == pytest.approx(scores.cider_n, abs=0.05)
    text = write_record(record(), tmp_path).read_text(encoding="utf-8")
    stored = ", ".join(map(str, metrics().cider_n or ()))
    assert text.count(f'  "cider_n": [{stored}],\n') == 2
    assert text.count('"cider_n": null') == 2  # float32 and int8
    strange = record().model_copy(update={"note": "[\n 1,\n 2]", "config": {"a": [], "b": ["x"]}})
    assert read_record(write_record(strange, tmp_path)) == strange


def test_each_picture_has_one_cider() -> None:
    with pytest.raises(ValidationError, match="cider_n has 2 numbers of 3 pictures"):
        Metrics.model_validate({**metrics().model_dump(), "cider_n": (1.0, 2.0)})


@pytest.mark.parametrize(
    ("bundle_bytes", "measured"), [(5_000_000, INT8_BUNDLE), (None, None)], ids=str
)
def test_a_record_of_version_1_is_read(
    tmp_path: Path, bundle_bytes: int | None, measured: str | None
) -> None:
    made = record().model_copy(update={"bundle_bytes": bundle_bytes, "measured": measured})
    if bundle_bytes is None:
        made = made.model_copy(update={"latency_ms": None, "quantization": None})
    path = write_record(made, tmp_path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored["measured"], stored["chain_wall_time_s"]
    for split in ("dev", "test"):
        del stored[split]["cider_n"]
    path.write_text(json.dumps({**stored, "schema_version": 1}), encoding="utf-8")
    found = read_record(path)
    assert found.measured == measured
    assert found.schema_version == SCHEMA_VERSION
    assert found.test == metrics().without_pictures()


def test_a_bundles_record_is_not_to_be_hidden(tmp_path: Path) -> None:
    refuse_to_hide_a_bundle("lite0-merge", tmp_path)
    keras = RunRecord.model_validate(
        {
            **record().model_dump(),
            "measured": KERAS_FLOAT32,
            "bundle_bytes": None,
            "latency_ms": None,
            "quantization": None,
        }
    )
    write_record(keras, tmp_path)
    refuse_to_hide_a_bundle("lite0-merge", tmp_path)
    write_record(record(), tmp_path)
    with pytest.raises(TrainingError, match=r"lite0-merge\.json is of the int8 bundle.* --force"):
        refuse_to_hide_a_bundle("lite0-merge", tmp_path)


def test_records_come_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c.2"):
        write_record(record(name), tmp_path)
    assert [found.name for found in read_records(tmp_path)] == ["a", "b", "c.2"]
    assert read_records(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 4}, "schema_version"),
        ({"measured": "int4 bundle"}, "measured"),
        ({"measured": KERAS_FLOAT32}, "are an int8 bundle's, measured is 'keras float32'"),
        ({"measured": None}, "are an int8 bundle's, measured is None"),
        ({"learning_rat": 1}, "learning_rat: Extra"),
        ({"seed": "3"}, "seed: .*integer"),
        ({"wall_time_s": -1}, "wall_time_s"),
        ({"history": [{"epoch": 1, "loss": 2}]}, r"history\.0\.loss"),
        ({"dev": {"pictures": 1}}, r"dev\.bleu_1: Field required"),
        ({"name": "other"}, "name: says 'other'"),
        ({"name": "No Such"}, "name: .*pattern"),
        ({"parameters": float("nan")}, "parameters"),
        ({"schema_version": 1, "parameters": float("nan")}, "parameters"),
    ],
)
def test_a_wrong_record_is_named_with_its_key(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = changed(write_record(record(), tmp_path), change)
    with pytest.raises(TrainingError, match=message) as caught:
        read_record(path)
    assert str(path) in str(caught.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = write_record(record(), tmp_path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored["git_commit"]
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(TrainingError, match="git_commit: Field required"):
        read_record(path)


@pytest.mark.parametrize("content", [b"", b"not json", b"\xff", b"[]"])
def test_a_file_that_is_no_record(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"x\.json"):
        read_record(path)


def test_a_missing_file_and_an_unwritable_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot read"):
        read_record(tmp_path / "x.json")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TrainingError, match="cannot write"):
        write_record(record(), tmp_path / "file")


@pytest.fixture
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "find_java", lambda: None)
    monkeypatch.setattr(tokenise_module, "find_java", lambda: None)


@pytest.mark.usefixtures("without_java")
def test_baselines(tmp_path: Path) -> None:
    captions = {name: [" ".join(words) for words in refs] for name, refs in REFERENCES.items()}
    floor = floor_record(captions, captions, git_commit="abc")
    assert floor.name == FLOOR_NAME
    assert floor.config["caption"] in CANDIDATES
    assert floor.test is not None
    assert floor.test.distinct_captions == 1
    assert floor.test.precision["subject"].mentioned == 3
    people = human_record(captions, captions, git_commit="abc")
    assert people.name == HUMAN_NAME
    assert people.test is not None
    assert people.test.pictures == 3
    assert people.test.precision["subject"].mentioned == 6
    for made in (floor, people):
        assert read_record(write_record(made, tmp_path)) == made


@pytest.mark.usefixtures("without_java")
def test_people_need_two_captions() -> None:
    with pytest.raises(TrainingError, match="leave-one-out"):
        human_record({"p": ["a dog"]}, {"p": ["a dog"]}, git_commit="abc")
