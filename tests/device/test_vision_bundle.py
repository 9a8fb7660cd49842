"""Finding a bundle and refusing one that is not whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import tiny_model as tiny
from support.tiny_bundle import TINY_BUNDLE, copy_bundle, flip_byte, replace_file

from seealoud.device.errors import BundleError, BundleHashError
from seealoud.device.vision import bundle as module
from seealoud.device.vision.bundle import file_entry, find_bundle, load_bundle
from seealoud.device.vision.manifest import (
    DECODER,
    ENCODER,
    HASHED_FILES,
    MANIFEST,
    VOCABULARY,
    Manifest,
)

EXIT_CODE = 3


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder in place of ``models/``, with nothing set in the environment."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setattr(module, "_SHIPPED_FOLDER", folder)
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return copy_bundle(tmp_path / "copied")


def refusal(folder: Path) -> str:
    """Return why a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.exit_code == EXIT_CODE
    return str(caught.value)


# --- loading ----------------------------------------------------------------------------------


def test_a_whole_bundle_is_loaded() -> None:
    bundle = load_bundle(TINY_BUNDLE)
    assert bundle.name == "tiny"
    assert bundle.vocabulary == tiny.VOCABULARY
    assert (bundle.encoder, bundle.decoder) == (TINY_BUNDLE / ENCODER, TINY_BUNDLE / DECODER)
    assert bundle.manifest.input.size_px == tiny.SIZE_PX
    options = bundle.manifest.search.options()
    assert (options.beam_width, options.max_words, options.length_penalty) == (
        tiny.BEAM_WIDTH,
        tiny.MAX_WORDS,
        tiny.LENGTH_PENALTY,
    )


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    manifest = load_bundle(TINY_BUNDLE).manifest
    assert Manifest.model_validate_json(manifest.model_dump_json(indent=2)) == manifest


def test_an_entry_states_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    entry = file_entry(tmp_path / "f")
    assert entry.bytes == 3
    assert entry.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("name", [*HASHED_FILES, MANIFEST])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    said = refusal(copied)
    assert name in said
    assert str(copied) in said
    assert "No such file" in said


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"no bundle in {tmp_path / 'absent'}" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("name", HASHED_FILES)
@pytest.mark.parametrize("position", [0, -1])
def test_a_changed_byte_is_found_and_the_file_named(copied: Path, name: str, position: int) -> None:
    flip_byte(copied / name, position)
    with pytest.raises(BundleHashError, match="copy the bundle again") as caught:
        load_bundle(copied)
    assert str(copied / name) in str(caught.value)
    assert caught.value.exit_code == EXIT_CODE


@pytest.mark.parametrize("name", HASHED_FILES)
@pytest.mark.parametrize("kept_bytes", [0, -1])
def test_a_file_that_was_cut_short_is_found(copied: Path, name: str, kept_bytes: int) -> None:
    (copied / name).write_bytes((copied / name).read_bytes()[:kept_bytes])
    with pytest.raises(BundleHashError):
        load_bundle(copied)


@pytest.mark.parametrize(("bits", "always_shows"), [(0xFF, True), (0x01, False)])
def test_a_changed_byte_of_the_manifest_is_told_in_words_if_at_all(
    copied: Path, bits: int, always_shows: bool
) -> None:
    """No hash vouches for the manifest itself, so "tiny" may turn into "uiny" unseen."""
    original = (copied / MANIFEST).read_bytes()
    refused, positions = 0, range(0, len(original), 2)
    for position in positions:
        flip_byte(copied / MANIFEST, position, bits)
        try:
            load_bundle(copied)
        except BundleError as exc:
            refused += str(copied) in str(exc)
        (copied / MANIFEST).write_bytes(original)
    assert refused == len(positions) if always_shows else refused > len(positions) / 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "is of schema 2, this SeeAloud reads 1: update SeeAloud"),
        ({"schema_version": 0}, "is of schema 0"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"input/colour": "red"}, "input.colour: Extra inputs are not permitted"),
        ({"input/size_px": 0}, "input.size_px"),
        ({"input/scale": 0.0}, "input.scale"),
        ({"input/mean": float("nan")}, "input.mean"),
        ({"input/scale": float("inf")}, "input.scale"),
        ({"search/beam_width": 0}, "search.beam_width"),
        ({"search/max_words": 0}, "search.max_words"),
        ({"search/length_penalty": 2.1}, "search.length_penalty"),
        ({"name": "Über alles"}, "name"),
        ({"name": "../up"}, "name"),
        ({"name": ""}, "name"),
        ({"files": {}}, "has no hash for encoder.tflite"),
        ({f"files/{DECODER}": {"sha256": "0" * 63, "bytes": 1}}, f"files.{DECODER}.sha256"),
        ({f"files/{DECODER}": {"sha256": "A" * 64, "bytes": 1}}, f"files.{DECODER}.sha256"),
        ({f"files/{DECODER}": {"sha256": "0" * 64, "bytes": -1}}, f"files.{DECODER}.bytes"),
        ({"self_test/pattern": -1}, "self_test.pattern"),
        ({"self_test/ids": ["a"]}, "self_test.ids.0"),
        ({"self_test/ids": [4, 12]}, "self_test.ids"),
        ({"self_test/ids": [-1]}, "self_test.ids"),
    ],
)
def test_a_wrong_manifest_is_refused_and_the_key_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(copy_bundle(tmp_path / "wrong", changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"\x00", b"{}"])
def test_what_is_no_manifest_is_refused(copied: Path, content: bytes) -> None:
    (copied / MANIFEST).write_bytes(content)
    assert str(copied) in refusal(copied)


@pytest.mark.parametrize(
    "content", [b"a\ndog\n", b"", b"\xff\xfe", b"<pad>\n<start>\n<end>\n<unknown>\na\na\n"]
)
def test_a_broken_vocabulary_is_refused_though_its_hash_is_right(
    copied: Path, content: bytes
) -> None:
    replace_file(copied, VOCABULARY, content)
    assert "vocabulary" in refusal(copied)


# --- finding ----------------------------------------------------------------------------------


def test_a_folder_is_found_by_its_path(shipped: Path) -> None:
    assert find_bundle(str(TINY_BUNDLE)) == TINY_BUNDLE


def test_a_shipped_bundle_is_found_by_its_name(shipped: Path) -> None:
    copy_bundle(shipped / "small")
    assert find_bundle("small") == shipped / "small"


def test_the_default_is_what_models_default_names(shipped: Path) -> None:
    for name in ("small", "large"):
        copy_bundle(shipped / name)
    (shipped / "DEFAULT").write_text("large\n")
    assert find_bundle() == shipped / "large"


def test_the_environment_comes_before_the_default(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("small", "large"):
        copy_bundle(shipped / name)
    (shipped / "DEFAULT").write_text("large\n")
    monkeypatch.setenv("SEEALOUD_BUNDLE", "small")
    assert find_bundle() == shipped / "small"
    monkeypatch.setenv("SEEALOUD_BUNDLE", str(TINY_BUNDLE))
    assert find_bundle() == TINY_BUNDLE
    assert find_bundle("large") == shipped / "large", "what is asked for comes before it"
    monkeypatch.setenv("SEEALOUD_BUNDLE", "")
    assert find_bundle() == shipped / "large", "an empty variable is none"


def test_a_path_comes_before_a_name(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_bundle(shipped / "small")
    here = shipped.parent / "here"
    here.mkdir()
    copy_bundle(here / "small")
    monkeypatch.chdir(here)
    assert find_bundle("small") == Path("small")
    shutil.rmtree(here / "small")
    (here / "small").mkdir()  # a folder that is no bundle hides nothing
    assert find_bundle("small") == shipped / "small"


def test_an_unknown_name_lists_the_shipped_ones(shipped: Path) -> None:
    for name in ("small", "large"):
        copy_bundle(shipped / name)
    (shipped / "unfinished").mkdir()
    with pytest.raises(BundleError, match=r"no bundle 'huge': .*shipped are: large, small$"):
        find_bundle("huge")


def test_without_any_bundle_it_says_so(shipped: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle 'default': .*shipped are: none$"):
        find_bundle()
