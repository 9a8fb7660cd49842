"""The whole chain as real processes: train, be killed, go on, convert, describe."""

from __future__ import annotations

import csv
import json
import re

import pytest
from support.smoke import EPOCHS, NAME, STEPS, Done, Killed, Smoke

from seealoud.training.records.run import INT8_BUNDLE, KERAS_FLOAT32, read_record

pytestmark = pytest.mark.slow


def test_a_killed_run_leaves_a_checkpoint_of_half_an_epoch(killed: Killed) -> None:
    assert killed.exit_code == -9
    assert killed.checkpoints
    assert not killed.has_history


def test_the_same_command_goes_on_and_ends(smoke: Smoke, trained: Done) -> None:
    assert trained.returncode == 0, trained.stderr[-2000:]
    assert f"resumed from {smoke.run}/checkpoints/ckpt-" in trained.stderr
    # The first epoch goes on behind the steps that were done before the kill.
    first = re.search(rf": step (\d+) of {STEPS} in epoch 1$", trained.stderr, re.MULTILINE)
    assert first is not None
    assert 0 < int(first[1]) < STEPS
    with (smoke.run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert float(rows[-1]["train_loss"]) < 0.7 * float(rows[0]["train_loss"])
    best = max(float(row["dev_cider"]) for row in rows)
    assert best > 500  # of 717, if every caption is right
    assert trained.stdout.splitlines() == [
        f"{NAME}: best dev CIDEr {best:.1f} in epoch "
        f"{1 + [float(row['dev_cider']) for row in rows].index(best)}",
        f"weights: {smoke.run / 'best.weights.h5'}",
    ]


def test_the_screen_shows_one_line_an_epoch_and_two_captions(smoke: Smoke, trained: Done) -> None:
    lines = trained.stderr.splitlines()
    assert not [line for line in lines if not re.match(r"\d\d:\d\d:\d\d ", line)], "no noise"
    assert any("tiny computes on the CPU (" in line for line in lines)
    assert any(line.endswith(f"tensorboard --logdir {smoke.run}/tensorboard") for line in lines)
    number = r"\d+\.\d+"
    of_epochs = [line for line in lines if re.search(r"\d epoch \d of ", line)]
    assert len(of_epochs) == EPOCHS
    for line in of_epochs:
        assert re.search(
            rf"epoch \d of {EPOCHS}: loss {number}, dev loss {number}, dev CIDEr {number} "
            rf"\((the best so far|best: epoch \d, {number})\); \d+ s",
            line,
        ), line
    assert re.search(r"; \d+ s, at most \d+ s left$", of_epochs[0])
    assert len([line for line in lines if ".jpg: " in line and " | people: See" in line]) == 8
    assert lines[-1].endswith(f"dev pictures with their captions: {smoke.run}/contact-sheet.png")


def test_it_leaves_plots_and_a_contact_sheet(smoke: Smoke, trained: Done) -> None:
    for name in ("history.png", "contact-sheet.png"):
        assert (smoke.run / name).read_bytes().startswith(b"\x89PNG"), name


def test_the_bundle_is_written(smoke: Smoke, converted: Done) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    assert converted.stdout == f"wrote {smoke.bundle}\n"
    assert {path.name for path in smoke.bundle.iterdir()} == {
        "encoder.tflite",
        "decoder.tflite",
        "vocabulary.txt",
        "confidence.npz",
        "manifest.json",
        "bundle.sha256",
        "MODEL_CARD.md",
        "trained-on.bin",
    }


def test_the_bundle_describes_pictures(smoke: Smoke, converted: Done) -> None:
    """The 12 test pictures: six kinds, two of each, none seen in training."""
    assert converted.returncode == 0, converted.stderr[-2000:]
    names = (smoke.data / "Flickr_8k.testImages.txt").read_text().split()
    pictures = [smoke.data / "images" / name for name in names]
    done = smoke.execute("seealoud", "describe", "--json", "--bundle", smoke.bundle, *pictures)
    assert (done.returncode, done.stderr) == (0, "")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == [str(path) for path in pictures]
    assert {record["bundle"] for record in records} == {NAME}
    kinds = [(c, s) for c in ("red", "green", "blue") for s in ("square", "circle")]
    said = [record["caption"].lower().rstrip(".") for record in records]
    right = [
        text == f"a white {shape} on a {colour} wall"
        for (colour, shape), text in zip(kinds * 2, said, strict=True)
    ]
    assert sum(right) >= 10, said


def test_a_picture_beside_the_point_is_one_error(smoke: Smoke, converted: Done) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    done = smoke.execute("seealoud", "describe", "--bundle", smoke.bundle, smoke.config)
    assert done.returncode == 4
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_run_is_recorded_without_a_bundle(smoke: Smoke, trained: Done) -> None:
    assert trained.returncode == 0, trained.stderr[-2000:]
    docs = smoke.root / "docs"
    command = ("record", NAME, "--data", smoke.data, "--runs", smoke.runs, "--docs", docs)
    done = smoke.execute("seealoud-train", *command)
    assert done.returncode == 0, done.stderr[-2000:]
    path = docs / "runs" / f"{NAME}.json"
    assert done.stdout == f"wrote {path}\n"
    record = read_record(path)
    assert record.measured == KERAS_FLOAT32
    assert record.bundle_bytes is None
    assert len(record.history) == EPOCHS
    assert record.dev is not None
    assert record.test is not None
    assert record.test.cider_n is not None
    assert len(record.test.cider_n) == record.test.pictures == 12
    assert record.test.cider.estimate > 500


def test_the_record_of_the_bundle_is_of_the_same_run(smoke: Smoke, converted: Done) -> None:
    assert converted.returncode == 0, converted.stderr[-2000:]
    record = read_record(smoke.records / f"{NAME}.json")
    assert record.measured == INT8_BUNDLE
    assert record.test is not None
    assert record.test.cider_n is not None
    assert record.quantization is not None
    assert record.quantization.int8 == record.test.without_pictures()
    keras = smoke.root / "docs" / "runs" / f"{NAME}.json"
    if keras.is_file():  # of the test above
        assert read_record(keras).parameters == record.parameters
