"""The bundle that conversion writes: what it states of itself, and that the device takes it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.smoke import BEAM_WIDTH, MAX_WORDS, NAME, SIZE_PX, Done, Smoke
from support.tflite_graph import CONTROL_FLOW, operators

from seealoud.convert.model_card import model_card
from seealoud.convert.variants import choose_self_test
from seealoud.device.errors import ConfigError
from seealoud.device.records import Frame
from seealoud.device.vision.beam_search import search
from seealoud.device.vision.bundle import N_PATTERNS, load_bundle, pattern
from seealoud.device.vision.captioner import Captioner, CaptionOptions
from seealoud.device.vision.confidence import ConfidenceModel
from seealoud.device.vision.manifest import CONFIDENCE, HASHED_FILES, Manifest
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Decoder, Encoder
from seealoud.training import run_folder
from seealoud.training.data.readers import open_dataset
from seealoud.training.features import read_picture
from seealoud.training.records.run import read_record
from seealoud.training.run_folder import source_commit
from seealoud.training.trained_on import TRAINED_ON

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("converted")]


@pytest.fixture(scope="module")
def manifest(smoke: Smoke, converted: Done) -> Manifest:
    assert converted.returncode == 0, converted.stderr[-2000:]
    return load_bundle(smoke.bundle).manifest


def test_every_file_has_its_hash_and_size(smoke: Smoke, manifest: Manifest) -> None:
    assert set(manifest.files) == {*HASHED_FILES, CONFIDENCE, TRAINED_ON}
    for name, entry in manifest.files.items():
        content = (smoke.bundle / name).read_bytes()
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.bytes == len(content)


def test_the_manifest_states_input_and_search(manifest: Manifest) -> None:
    assert manifest.name == NAME
    assert (manifest.input.size_px, manifest.input.mean, manifest.input.scale) == (
        SIZE_PX,
        127.0,
        128.0,
    )
    assert manifest.search.beam_width == BEAM_WIDTH
    assert manifest.search.max_words == MAX_WORDS
    assert manifest.training["encoder"]["trainable_from_block"] == 15


def test_nothing_of_the_machine_that_trained_is_in_it(smoke: Smoke) -> None:
    for name in ("manifest.json", "MODEL_CARD.md", CONFIDENCE, *HASHED_FILES):
        assert str(smoke.root).encode() not in (smoke.bundle / name).read_bytes(), name


def test_what_ships_is_the_verified_int8_variant(smoke: Smoke, manifest: Manifest) -> None:
    for name in HASHED_FILES:
        assert (smoke.bundle / name).read_bytes() == (smoke.run / "int8" / name).read_bytes()
    floating = load_bundle(smoke.run / "float32").manifest
    assert floating.files["encoder.tflite"].bytes > 3 * manifest.files["encoder.tflite"].bytes
    assert (smoke.bundle / "vocabulary.txt").read_bytes() == (
        smoke.run / "vocabulary.txt"
    ).read_bytes()


def test_the_metrics_are_those_of_the_verification(manifest: Manifest) -> None:
    metrics = manifest.metrics
    assert set(metrics["signatures"]) == {
        "encoder_float",
        "encoder_int8_cosine",
        "prepare_and_step_float",
        "prepare_and_step_int8",
    }
    assert metrics["float_agreement"] == 1
    assert set(metrics["scores"]) == {"keras", "float", "int8"}
    for of_split in metrics["scores"].values():
        assert set(of_split) == {"dev", "test"}
        assert of_split["test"]["cider"] > 500
        assert of_split["test"]["meteor"] is None  # no Java in this run
        low, high = of_split["test"]["cider_95"]
        assert low <= of_split["test"]["cider"] <= high
    assert metrics["int8_cider_change"]["dev"]["estimate"] >= -1


def test_the_bundle_says_what_it_gets_wrong(smoke: Smoke, manifest: Manifest) -> None:
    failures, calibration = manifest.metrics["failures"], manifest.metrics["calibration"]
    assert failures["captions"] == calibration["n"] == 12
    assert failures["right"] == round(12 * calibration["right"])
    precision = manifest.metrics["scores"]["int8"]["test"]["precision"]
    for kind, found in failures["kinds"].items():
        assert found["said"] == precision[kind]["mentioned"]
        assert found["said"] - found["wrong"] == precision[kind]["right"]
    assert failures["kinds"]["colour"]["said"] > 0
    record = read_record(smoke.records / f"{NAME}.json")
    assert record.reliability is not None
    assert record.reliability.model_dump(mode="json") == calibration


def test_the_bundle_says_how_far_it_can_be_trusted(smoke: Smoke, manifest: Manifest) -> None:
    assert manifest.confidence is not None
    honesty = ConfidenceModel(load_bundle(smoke.bundle))
    with Captioner(load_bundle(smoke.bundle)) as captioner:
        encoded = [
            captioner.encode(Frame.now(read_picture(picture.path), picture.name))
            for picture in open_dataset(smoke.data).test
        ]
        said = [honesty.judge(captioner.decode(one), one).probability for one in encoded]
    assert all(p is not None and 0 <= p <= 1 for p in said)
    quality = manifest.metrics["calibration"]["confidence"]
    predicted = sum(found["n"] * found["predicted"] for found in quality["test"]["bins"]) / 12
    assert sum(p or 0.0 for p in said) / 12 == pytest.approx(predicted, abs=1e-3)


def test_a_run_from_nothing_has_no_run_before_it(manifest: Manifest) -> None:
    assert manifest.training["earlier_runs"] == []
    assert "Flickr30k" not in manifest.data_licence


def test_the_source_is_named(manifest: Manifest) -> None:
    is_checkout = source_commit() != "unknown"
    known = re.fullmatch(r"[0-9a-f]{40}(-modified)?", manifest.source_commit)
    assert known if is_checkout else manifest.source_commit == "unknown"


def test_without_git_the_source_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert source_commit() == "unknown"


@pytest.mark.parametrize(("changed", "commit"), [("", "abc"), (" M x.py", "abc-modified")])
def test_a_changed_source_is_marked(
    changed: str, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"rev-parse": "abc", "status": changed}
    monkeypatch.setattr(run_folder, "_git", lambda command, *_: answers[command])
    assert source_commit() == commit


# --- the device -------------------------------------------------------------------------------


def test_the_device_takes_it_and_captions(smoke: Smoke, manifest: Manifest) -> None:
    picture = open_dataset(smoke.data).test[2]
    with Captioner(load_bundle(smoke.bundle)) as captioner:
        caption = captioner.caption(Frame.now(read_picture(picture.path), picture.name))
    assert caption.bundle == NAME
    assert f"See : {caption.text.capitalize()} ." == picture.captions[0]
    assert -20 < caption.log_probability < 0
    assert len(caption.n_best) == 3


def test_the_beam_is_fixed(smoke: Smoke, manifest: Manifest) -> None:
    assert Decoder(smoke.bundle / "decoder.tflite").beam_width == BEAM_WIDTH
    with pytest.raises(ConfigError, match=f"beam width {BEAM_WIDTH + 1}: .* at most {BEAM_WIDTH}"):
        Captioner(load_bundle(smoke.bundle), CaptionOptions(beam_width=BEAM_WIDTH + 1))
    Captioner(load_bundle(smoke.bundle), CaptionOptions(beam_width=1)).close()


def test_the_models_have_their_signatures_and_builtin_operators(smoke: Smoke) -> None:
    signatures = {}
    for name in ("encoder.tflite", "decoder.tflite"):
        interpreter = Interpreter(model_path=str(smoke.bundle / name))
        signatures[name] = set(interpreter.get_signature_list())
        found = list(operators((smoke.bundle / name).read_bytes()))
        assert all(operator.is_builtin for operator in found)
        assert not {operator.name for operator in found} & CONTROL_FLOW
    assert signatures == {
        "encoder.tflite": {"encode"},
        "decoder.tflite": {"decode", "prepare"},
    }


def test_the_self_test_is_the_clearest_picture(smoke: Smoke, manifest: Manifest) -> None:
    encoder = Encoder(smoke.bundle / "encoder.tflite", mean=127, scale=128, threads=1)
    decoder = Decoder(smoke.bundle / "decoder.tflite")
    leads, found = [], []
    for number in range(N_PATTERNS):
        decoder.prepare(encoder.encode(preprocess(pattern(number), SIZE_PX)))
        options = manifest.search.options()
        found.append(search(decoder.step, decoder.initial_state(BEAM_WIDTH), options)[0])
        leads.append(found[-1][0].score - found[-1][1].score)
    chosen = manifest.self_test
    assert chosen.pattern == int(np.argmax(leads))
    best = found[chosen.pattern][0]
    assert chosen.ids == list(best.ids)
    assert chosen.log_probability == pytest.approx(best.log_probability, abs=0.02)
    again = choose_self_test(smoke.bundle, manifest.input, manifest.search)
    assert again == chosen


# --- what is written for people ---------------------------------------------------------------


def test_the_card_is_made_from_the_manifest(smoke: Smoke, manifest: Manifest) -> None:
    card = (smoke.bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card == model_card(manifest)
    assert card.startswith(f"# {NAME}\n")
    for needed in (
        "`efficientnet_lite0` at 64 px",
        "decoder `transformer`, width 32",
        f"beam {BEAM_WIDTH}",
        manifest.files["encoder.tflite"].sha256[:16],
        f"{manifest.files['decoder.tflite'].bytes:,}",
        manifest.source_commit,
        manifest.created_at,
        f"seealoud-convert {NAME}",
        "non-commercial",
        "**TFLite int8 (shipped)** | " + f"{manifest.metrics['scores']['int8']['test']['cider']:g}",
    ):
        assert needed in card, needed


def test_what_was_not_measured_is_a_dash(manifest: Manifest) -> None:
    card = model_card(manifest)
    rows = [line for line in card.splitlines() if line.startswith("| Keras |")]
    assert len(rows) == 2
    assert all(row.split("|")[5].strip() == "-" for row in rows)  # METEOR
    assert "| activity | 0 | 0 | - |" in card
    assert "nan" not in card
    assert "None" not in card


def test_tables_have_as_many_cells_as_their_heads(manifest: Manifest) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", model_card(manifest), re.MULTILINE)
    assert len(tables) >= 5  # a sixth where a word was wrong
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_record_is_of_what_ships(smoke: Smoke, manifest: Manifest) -> None:
    record = read_record(smoke.records / f"{NAME}.json")
    assert record.name == NAME
    assert record.git_commit == manifest.source_commit
    # The names of the training pictures are not read by the device.
    assert record.bundle_bytes == sum(
        entry.bytes for name, entry in manifest.files.items() if name != TRAINED_ON
    )
    assert record.dev is not None
    assert record.test is not None
    assert (
        round(record.test.cider.estimate, 2) == manifest.metrics["scores"]["int8"]["test"]["cider"]
    )
    assert record.dev.pictures == record.test.pictures == 12
    rows = (smoke.run / "history.csv").read_text().splitlines()
    assert len(record.history) == len(rows) - 1
    assert record.parameters > 3_413_024  # EfficientNet-Lite0's own
    assert "weights" not in json.dumps(record.config["encoder"])


def test_a_bundle_moved_elsewhere_still_works(smoke: Smoke, tmp_path: Path) -> None:
    for path in smoke.bundle.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Captioner(load_bundle(tmp_path)).close()
