"""A run's TOML: what is read, and how every mistake is named with its key and value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from seealoud.device.settings.keys import tables_of
from seealoud.training.changed_settings import settings_reference
from seealoud.training.config import CONFIGS, RunConfig, read_run_config
from seealoud.training.data.extra import open_extra
from seealoud.training.errors import RunConfigError

MINIMAL = """
name = "mine"
[encoder]
name = "efficientnet_lite0"
[decoder]
name = "merge"
"""

SHIPPED = sorted(path.stem for path in CONFIGS.glob("*.toml"))


def read(folder: Path, text: str | bytes) -> RunConfig:
    path = folder / "run.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_run_config(str(path))


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    config = read(tmp_path, MINIMAL)
    assert config.name == "mine"
    assert config.decoder.name == "merge"
    assert config.encoder.trainable_from_block is None
    assert config.optimiser.clip_norm == 1.0
    assert config.search.beam_width == 3


def test_what_is_said_counts(tmp_path: Path) -> None:
    text = MINIMAL + "dropout = 0.4\n[optimiser]\nepochs = 7\n[text]\nminimum_count = 2\n"
    config = read(tmp_path, text)
    assert (config.decoder.dropout, config.optimiser.epochs) == (0.4, 7)
    assert config.text.minimum_count == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_are_read_by_name(name: str) -> None:
    assert read_run_config(name).name == name


def test_the_simplest_recipes_are_shipped() -> None:
    assert {"lite0-merge", "lite2-transformer"} <= set(SHIPPED)


def test_the_seeds_recipe_differs_from_the_baseline_in_its_encoder_alone() -> None:
    """So that the table compares encoders."""
    seed, baseline = (read_run_config(name) for name in ("inception-merge", "lite0-merge"))
    assert (seed.encoder.name, seed.encoder.input_size_px) == ("inception_v3", 299)
    assert seed.encoder.trainable_from_block is None
    assert seed.model_dump(exclude={"name", "note", "encoder"}) == baseline.model_dump(
        exclude={"name", "note", "encoder"}
    )


def test_settings_do_not_change() -> None:
    config = read_run_config(SHIPPED[0])
    with pytest.raises(ValidationError):
        config.seed = 3  # type: ignore[misc]


def test_the_json_of_a_run_reads_back() -> None:
    config = read_run_config(SHIPPED[0])
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


TRANSFORMER = MINIMAL.replace('"merge"', '"transformer"')
MISTAKES = {
    "unknown key": (
        MINIMAL + "[optimiser]\nepoch = 3",
        r"optimiser\.epoch: no such key; did you mean optimiser\.epochs\?",
    ),
    "unknown table": (
        MINIMAL + "[optimizer]\nepochs = 3",
        r"optimizer: no such table; did you mean optimiser\?",
    ),
    "no encoder": (
        MINIMAL.replace("[encoder]", "[decoder.x]"),
        "encoder: missing; it takes a table",
    ),
    "too few epochs": (
        MINIMAL + "[optimiser]\nepochs = 0",
        r"optimiser\.epochs: 0 is not allowed; it takes a whole number at least 1",
    ),
    "all dropped": (
        MINIMAL + "dropout = 1.0",
        r"decoder\.dropout: 1\.0 is not allowed; .* at least 0 and below 1",
    ),
    "rate of zero": (
        MINIMAL + "[optimiser]\nlearning_rate = 0.0",
        r"optimiser\.learning_rate: 0\.0 is not allowed; it takes a number above 0",
    ),
    "rate without end": (
        MINIMAL + "[optimiser]\nlearning_rate = inf",
        r"optimiser\.learning_rate: inf is not allowed",
    ),
    "penalty too large": (
        MINIMAL + "[search]\nlength_penalty = 2.5",
        r"search\.length_penalty: 2\.5 is not allowed; .* from 0 to 2",
    ),
    "wrong type": (
        MINIMAL + "[text]\nmax_words = 'ten'",
        r'text\.max_words: "ten" is not allowed; it takes a whole number at least 1',
    ),
    "unknown decoder": (
        MINIMAL.replace("merge", "lstm"),
        r'decoder\.name: "lstm" is not allowed; it takes "merge" or "transformer"',
    ),
    "name unfit for a folder": (
        MINIMAL.replace("mine", "../mine"),
        r'name: "\.\./mine" is not allowed; it takes a?.?text like the pattern',
    ),
    "negative seed": ("seed = -1" + MINIMAL, r"seed: -1 is not allowed"),
    "seed too large for NumPy": (f"seed = {2**32}" + MINIMAL, r"seed: 4294967296 is not allowed"),
    "heads that do not share the width": (
        TRANSFORMER + "width = 100\nn_heads = 8",
        "decoder: .*width 100 .*n_heads 8",
    ),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_key_and_value(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RunConfigError, match=rf"run\.toml: {message}"):
        read(tmp_path, text)


def test_the_merge_decoder_has_no_heads(tmp_path: Path) -> None:
    assert read(tmp_path, MINIMAL + "width = 100").decoder.width == 100


def test_not_toml(tmp_path: Path) -> None:
    with pytest.raises(RunConfigError, match=r"run\.toml is not TOML: .*line 1"):
        read(tmp_path, "epochs: 7\n")


def test_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(RunConfigError, match=r"cannot read .*run\.toml: .*utf-8"):
        read(tmp_path, 'note = "Bär"'.encode("latin-1"))


@pytest.mark.parametrize("name", ["nothing", "/nowhere/run.toml"])
def test_no_such_file_names_the_shipped_ones(name: str) -> None:
    with pytest.raises(RunConfigError, match=r"no run config .*lite0-merge, lite2-homes"):
        read_run_config(name)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "run.toml").mkdir()
    with pytest.raises(RunConfigError, match="no run config"):
        read_run_config(str(tmp_path / "run.toml"))


# --- docs/own-pictures.md ---------------------------------------------------------------------

OWN_PICTURES = (Path(__file__).parents[2] / "docs" / "own-pictures.md").read_text()


def test_the_example_for_own_pictures_is_a_config(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", OWN_PICTURES, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(example)
    config = read_run_config(str(path))
    (extra,) = config.extra_data
    assert OWN_PICTURES.count(f"--extra {extra.name}=DIR") == 2
    assert f"seealoud-convert {config.name} " in OWN_PICTURES
    assert config.text.minimum_count == 5  # as the page says
    assert f"in addition to {config.optimiser.batch_pictures} of Flickr8k" in example
    # It starts from what ships, and has its shapes.
    assert config.start_from is not None
    assert OWN_PICTURES.count(f"models/{config.start_from}") == 2
    earlier = read_run_config(config.start_from)
    shape = {"input_size_px", "name", "trainable_from_block"}
    assert config.encoder.model_dump(include=shape) == earlier.encoder.model_dump(include=shape)
    assert config.decoder == earlier.decoder


def test_the_example_table_for_own_pictures_is_read(tmp_path: Path) -> None:
    lines = [line.strip() for line in OWN_PICTURES.splitlines() if "\t" in line]
    (tmp_path / "captions.tsv").write_text("\n".join(lines))
    for line in lines:
        (tmp_path / line.partition("\t")[0]).touch()
    found = open_extra(tmp_path, plain_sentences=True)
    assert [len(picture.captions) for picture in found] == [2, 1]


def test_further_pictures_have_names_of_their_own() -> None:
    twice = [{"name": "homes", "batch_pictures": 1}] * 2
    with pytest.raises(ValidationError, match="extra_data: a name occurs twice: homes, homes"):
        RunConfig.model_validate(
            {
                "name": "mine",
                "encoder": {"name": "efficientnet_lite0"},
                "decoder": {"name": "merge"},
                "extra_data": twice,
            }
        )


# --- settings that are changed on the command line --------------------------------------------


def test_settings_may_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL + '[[extra_data]]\nname = "homes"\nbatch_pictures = 4\n')
    changes = ("optimiser.epochs=3", "name=trial", "extra_data.0.views = 1", "note = 'a = b'")
    config = read_run_config(str(path), changes)
    assert (config.optimiser.epochs, config.name, config.note) == (3, "trial", "a = b")
    assert (config.extra_data[0].views, config.extra_data[0].batch_pictures) == (1, 4)
    assert config.optimiser.batch_pictures == 32


WRONG_CHANGES = {
    "optimiser.epochs": r"^--set optimiser\.epochs: write it as optimiser\.epochs=3$",
    "=3": "write it as",
    "optimiser.epochs=many": (
        r'run\.toml with --set optimiser\.epochs=many: optimiser\.epochs: "many" is not allowed; '
        "it takes a whole number at least 1"
    ),
    "optimiser.epoch=3": r"did you mean optimiser\.epochs\?",
    "name.first=a": r"--set name\.first=a: name has no keys",
    "name.first.second=a": r"--set name\.first\.second=a: first is not a table",
}


@pytest.mark.parametrize(("change", "message"), WRONG_CHANGES.items())
def test_a_wrong_change_is_named(change: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(MINIMAL)
    with pytest.raises(RunConfigError, match=message):
        read_run_config(str(path), [change])


def test_several_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunConfigError, match=r"decoder\.width: 0 .*; optimizer: no such table"):
        read(tmp_path, MINIMAL + "width = 0\n[optimizer]\nepochs = 3")


# --- the page of all settings -----------------------------------------------------------------

REFERENCE = Path(__file__).parents[2] / "docs" / "run-settings.md"


def test_the_page_of_settings_is_the_code_s() -> None:
    expected = settings_reference(tables_of(RunConfig))
    message = "run: seealoud-train settings > docs/run-settings.md"
    assert REFERENCE.read_text(encoding="utf-8").rstrip() == expected.rstrip(), message


def test_every_setting_says_what_it_means() -> None:
    root = tables_of(RunConfig)
    assert [key.dotted for key in root.walk_keys() if not key.doc] == []
    assert [table.dotted for table in root.walk_tables() if not table.doc] == []
