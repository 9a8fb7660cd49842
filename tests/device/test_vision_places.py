"""Places: recognised or refused by their features, and kept in a file without any picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seealoud.device.errors import RequestError
from seealoud.device.vision.places import MOST_PICTURES, MOST_PLACES, PlaceFile, Places

N_CHANNELS = 32
NO_AXES = np.zeros((N_CHANNELS, 0), np.float32)
KITCHEN, BATH, ELSEWHERE = np.eye(3, N_CHANNELS, dtype=np.float32)


def pictures(like_d: np.ndarray, number: int = 5) -> np.ndarray:
    """Return features of pictures of one place, which differ a little."""
    noise = np.random.default_rng(1).random((number, N_CHANNELS), dtype=np.float32)
    return like_d + noise * 0.01


@pytest.fixture
def places() -> Places:
    taught = Places().with_pictures("kitchen", "a" * 64, pictures(KITCHEN))
    return taught.with_pictures("Anna's bath", "a" * 64, pictures(BATH))


def test_the_nearest_place_is_found_and_an_unknown_one_refused(places: Places) -> None:
    assert places.find(KITCHEN, NO_AXES) == "kitchen"
    assert places.find(BATH, NO_AXES) == "Anna's bath"
    assert places.find(ELSEWHERE, NO_AXES) is None
    assert Places().find(KITCHEN, NO_AXES) is None
    assert places.find(np.zeros(N_CHANNELS, np.float32), NO_AXES) is None


def test_what_all_pictures_have_in_common_does_not_count() -> None:
    common_da = np.full((N_CHANNELS, 1), N_CHANNELS**-0.5, np.float32)
    bright = np.float32(1.0)
    taught = Places().with_pictures("kitchen", "a", pictures(KITCHEN + bright))
    assert taught.find(ELSEWHERE + bright, NO_AXES) == "kitchen"
    assert taught.find(ELSEWHERE + bright, common_da) is None
    assert taught.find(KITCHEN + bright, common_da) == "kitchen"


def test_teaching_again_adds_pictures_up_to_a_limit_and_drops_the_oldest(places: Places) -> None:
    more = places.with_pictures("KITCHEN", "a" * 64, pictures(ELSEWHERE, MOST_PICTURES - 2))
    assert more.names == ("kitchen", "Anna's bath")
    assert len(more.features["kitchen"]) == MOST_PICTURES
    assert np.array_equal(more.features["kitchen"][:2], places.features["kitchen"][-2:])
    assert len(places.features["kitchen"]) == 5


def test_features_of_another_encoder_are_refused_with_the_next_step(places: Places) -> None:
    assert places.is_of("a" * 64, N_CHANNELS)
    assert not places.is_of("b" * 64, N_CHANNELS)
    assert not places.is_of("a" * 64, N_CHANNELS + 1)
    with pytest.raises(RequestError, match=r"another model.*seealoud place forget --all"):
        places.with_pictures("hall", "b" * 64, pictures(ELSEWHERE))


def test_a_place_too_many_is_refused() -> None:
    places = Places("a", {f"place {n}": pictures(KITCHEN, 1) for n in range(MOST_PLACES)})
    with pytest.raises(RequestError, match=f"{MOST_PLACES} places.*place forget NAME"):
        places.with_pictures("hall", "a", pictures(BATH))


def test_forgetting_names_what_is_known(places: Places) -> None:
    assert places.without("Kitchen").names == ("Anna's bath",)
    with pytest.raises(RequestError, match="'hall': known are kitchen, Anna's bath"):
        places.without("hall")
    left = places.without("kitchen").without("Anna's bath")
    assert left.with_pictures("hall", "b", pictures(BATH)).encoder == "b"


def test_the_file_keeps_features_only_and_other_processes_see_changes(
    tmp_path: Path, places: Places
) -> None:
    path = tmp_path / "state" / "places.npz"
    first, second = PlaceFile(path), PlaceFile(path)
    assert first.read().names == ()
    first.change(lambda _: places)
    assert second.read().names == places.names
    assert second.read() is second.read()  # not read again
    for name, taught_nd in places.features.items():
        assert np.array_equal(second.read().features[name], taught_nd)
    with np.load(path) as stored:
        assert sorted(stored) == ["counts", "encoder", "features", "names", "schema"]
    assert path.stat().st_mode & 0o077 == 0
    second.change(lambda old: old.without("kitchen"))
    assert first.read().names == ("Anna's bath",)
    second.change(lambda old: old.without("Anna's bath"))
    assert first.read().names == ()
    first.erase()
    first.erase()
    assert not path.exists()
    assert second.read().names == ()


def _of_version_2(content: bytes, folder: Path) -> bytes:
    path = folder / "new.npz"
    path.write_bytes(content)
    with np.load(path) as stored:
        parts = {**stored, "schema": np.array(2)}
    np.savez(path, **parts)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content, _: content[:-30], "damaged"),
        (lambda _, __: b"", "damaged"),
        (lambda _, __: b"no archive", "damaged"),
        (_of_version_2, "version 2, this SeeAloud reads 1"),
    ],
)
def test_a_damaged_file_names_itself_and_the_next_step(
    tmp_path: Path, places: Places, spoil: Callable[[bytes, Path], bytes], reason: str
) -> None:
    path = tmp_path / "places.npz"
    spoiled = spoil(places.to_bytes(), tmp_path)
    path.write_bytes(spoiled)
    with pytest.raises(RequestError, match=f"places.npz: .*{reason}.*seealoud place forget --all"):
        PlaceFile(path).read()
    with pytest.raises(RequestError):
        PlaceFile(path).change(lambda old: old)
    assert path.read_bytes() == spoiled  # nothing is lost


def test_no_damaged_byte_makes_the_file_fail_otherwise(tmp_path: Path, places: Places) -> None:
    content, path = places.to_bytes(), tmp_path / "places.npz"
    for at in range(0, len(content), max(1, len(content) // 150)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            PlaceFile(path).read()
        except RequestError:
            continue


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, places: Places) -> None:
    folder = tmp_path / "state"
    folder.touch()
    with pytest.raises(RequestError, match=f"{folder}/places.npz cannot be"):
        PlaceFile(folder / "places.npz").change(lambda _: places)
