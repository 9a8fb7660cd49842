"""Finding a bundle and refusing one that is not whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import tiny_model as tiny
from support.shipped import shipped_bundle
from support.tiny_bundle import TINY_BUNDLE, copy_bundle, flip_byte, replace_file

from seealoud.device.errors import BundleError, BundleHashError
from seealoud.device.vision import bundle as module
from seealoud.device.vision.bundle import checksum, file_entry, find_bundle, load_bundle
from seealoud.device.vision.manifest import (
    CHECKSUM,
    DECODER,
    ENCODER,
    HASHED_FILES,
    MANIFEST,
    VOCABULARY,
    Manifest,
)

EXIT_CODE = 3
FLIPS = 400


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


@pytest.mark.parametrize("names", [(MANIFEST, CHECKSUM), (MANIFEST, CHECKSUM, *HASHED_FILES)])
def test_no_flipped_bit_is_accepted(copied: Path, names: tuple[str, ...]) -> None:
    random = Random(15)
    contents = {name: (copied / name).read_bytes() for name in names}
    refusals = []
    for _ in range(FLIPS):
        name = random.choice(names)
        position, bit = random.randrange(len(contents[name])), random.randrange(8)
        flip_byte(copied / name, position, 1 << bit)
        refusals.append(refusal(copied))
        (copied / name).write_bytes(contents[name])
    load_bundle(copied)
    assert all(str(copied) in reason for reason in refusals)


def test_no_digit_of_the_shipped_manifest_can_change(tmp_path: Path) -> None:
    """One digit of ``wording`` would turn "I think" into certainty."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for path in shipped_bundle().iterdir():
        (folder / path.name).symlink_to(path)
    content = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).unlink()
    digits = [at for at, byte in enumerate(content) if chr(byte).isdigit()]
    for position in Random(15).sample(digits, FLIPS):
        (folder / MANIFEST).write_bytes(content)
        flip_byte(folder / MANIFEST, position, 1)
        with pytest.raises(BundleHashError, match=CHECKSUM):
            load_bundle(folder)
    (folder / MANIFEST).write_bytes(content)
    assert load_bundle(folder).has_checksum


def test_a_bundle_without_a_checksum_is_used_with_a_warning_that_names_the_command(
    copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copied / CHECKSUM).unlink()
    assert not load_bundle(copied).has_checksum
    (warning,) = caplog.messages
    assert f"{copied} has no {CHECKSUM}" in warning
    subprocess.run(["sh", "-c", warning.rpartition("run: ")[2]], check=True)
    caplog.clear()
    assert load_bundle(copied).has_checksum
    assert caplog.messages == []


def test_a_manifest_that_was_changed_by_hand_is_refused_until_the_command_is_run(
    copied: Path,
) -> None:
    text = (copied / MANIFEST).read_text().replace('"tiny"', '"mine"')
    (copied / MANIFEST).write_text(text)
    command = refusal(copied).rpartition("run: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert load_bundle(copied).name == "mine"


def test_a_checksum_that_cannot_be_read_is_no_missing_one(copied: Path) -> None:
    (copied / CHECKSUM).unlink()
    (copied / CHECKSUM).mkdir()
    assert str(copied / CHECKSUM) in refusal(copied)


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
    (copied / CHECKSUM).write_bytes(checksum(content))
    assert f"{copied / MANIFEST}: the file: " in refusal(copied) or content == b"{}"


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
    assert find_bundle() == shipped / "large", "an empty variable counts as not set"


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
