"""The runs that a bundle's weights come from, and the terms of their data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seealoud.convert.model_card import EARLIER_RUNS, earlier_runs, training_commands, with_origin
from seealoud.convert.variants import DATA_LICENCE, training_facts
from seealoud.device.vision.bundle import load_bundle
from seealoud.training.config import RunConfig
from seealoud.training.errors import CheckpointError, RunConfigError, TrainingError
from seealoud.training.run_folder import RunFolder, run_folder

TINY = Path(__file__).parents[1] / "data" / "tiny-bundle"


def run(root: Path, name: str, **changes: Any) -> RunFolder:
    """Write the settings of a run, and nothing else of it."""
    folder = run_folder(name, root)
    folder.path.mkdir()
    folder.config.write_text(config(name, **changes).model_dump_json(), encoding="utf-8")
    return folder


def config(name: str, **changes: Any) -> RunConfig:
    settings = {"name": name, "encoder": {"name": "x"}, "decoder": {"name": "merge"}, **changes}
    return RunConfig.model_validate(settings)


def names(folder: RunFolder) -> list[str]:
    return [earlier.name for earlier in earlier_runs(folder)]


def test_a_run_from_nothing_has_none_before_it(tmp_path: Path) -> None:
    assert earlier_runs(run(tmp_path, "only")) == ()


def test_a_chain_comes_in_the_order_of_training(tmp_path: Path) -> None:
    run(tmp_path, "sketch")
    run(tmp_path, "words", start_from="sketch")
    run(tmp_path, "pictures", start_from="words")
    assert names(run(tmp_path, "last", start_from="pictures")) == ["sketch", "words", "pictures"]


def test_averaged_runs_come_each_once(tmp_path: Path) -> None:
    run(tmp_path, "first")
    run(tmp_path, "b", start_from="first")
    run(tmp_path, "a", start_from="first")
    assert names(run(tmp_path, "mean", average_of=["b", "a"])) == ["first", "b", "a"]


def test_a_circle_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "a", start_from="b")
    with pytest.raises(RunConfigError, match="in a circle: b -> a -> b"):
        earlier_runs(run(tmp_path, "b", start_from="a"))


def test_where_the_folder_is_gone_the_shipped_settings_do(tmp_path: Path) -> None:
    last = run(tmp_path, "last", start_from="lite2-scst-dropout")
    assert names(last) == ["lite2-transformer", "lite2-scst-dropout"]


def test_an_unknown_origin_is_refused(tmp_path: Path) -> None:
    last = run(tmp_path, "last", start_from="gone")
    with pytest.raises(TrainingError, match=r"the run gone has neither .* nor shipped settings"):
        earlier_runs(last)


def test_settings_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    run(tmp_path, "first").config.write_text("{}")
    with pytest.raises(CheckpointError, match="cannot read the settings"):
        earlier_runs(run(tmp_path, "last", start_from="first"))


# --- the manifest -----------------------------------------------------------------------------


def test_the_manifest_states_every_run_and_no_path_of_the_machine() -> None:
    manifest = load_bundle(TINY).manifest
    first = config("first", encoder={"name": "x", "weights": "/home/me/weights.h5"})
    made = with_origin(manifest, [first, config("words")])
    assert [facts["name"] for facts in made.training[EARLIER_RUNS]] == ["first", "words"]
    assert made.training[EARLIER_RUNS][1] == training_facts(config("words"))
    assert "/home/me" not in made.model_dump_json()
    assert manifest.training == {k: v for k, v in made.training.items() if k != EARLIER_RUNS}


def test_further_pictures_are_named_with_their_terms_wherever_they_came_in() -> None:
    manifest = load_bundle(TINY).manifest
    homes = {"name": "homes", "batch_pictures": 1}
    assert "further pictures" not in with_origin(manifest, [config("first")]).data_licence
    made = with_origin(manifest, [config("first"), config("second", extra_data=[homes])])
    assert made.data_licence.startswith(DATA_LICENCE)
    assert "further pictures that it learned from, homes, whose own" in made.data_licence
    assert training_commands(made)[:2] == [
        "seealoud-train run first --data FLICKR8K",
        "seealoud-train run second --data FLICKR8K --extra homes=HOMES",
    ]
