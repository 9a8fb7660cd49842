"""Scenes: where they begin, what is too short for one, and which frame stands for each."""

from __future__ import annotations

import numpy as np
import pytest

from seealoud.device.pictures.scenes import SHORTEST_S, FilmSample, Scene, find_scenes

PERIOD_S = 0.25


def sample(number: int, kind: str) -> FilmSample:
    """Return a sample whose features point where its letter says; "-" is a dark one."""
    image_hwc = np.full((2, 2, 3), number % 256, np.uint8)
    pooled_d = None
    if kind != "-":
        pooled_d = np.zeros(26, np.float32)
        pooled_d[ord(kind.lower()) - ord("a")] = 3.0
    return FilmSample(number * PERIOD_S, image_hwc, pooled_d)


def scenes(kinds: str) -> list[Scene]:
    return list(find_scenes((sample(i, kind) for i, kind in enumerate(kinds)), PERIOD_S))


def shape(kinds: str) -> str:
    """Return the scenes as text: length in samples, and the kind of the frame chosen."""
    found = scenes(kinds)
    assert [x.start_s for x in found[1:]] == [x.end_s for x in found[:-1]]
    if found:
        assert (found[0].start_s, found[-1].end_s) == (0.0, len(kinds) * PERIOD_S)
    return " ".join(
        f"{(x.end_s - x.start_s) / PERIOD_S:g}"
        + ("?" if x.image_hwc is None else kinds[int(x.image_hwc[0, 0, 0])])
        for x in found
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", ""),
        ("a", "1a"),
        ("aaaaaaaa", "8a"),
        ("aaaabbbbcccc", "4a 4b 4c"),
        ("aaaaaaaabb", "10a"),  # too short at the end
        ("aaaaaabaaaaa", "12a"),  # a flash
        ("aaaaaabbbaaaaa", "14a"),
        ("aaaaaabbbbaaaa", "6a 4b 4a"),  # a second is a scene
        ("aaaaaaxbbbbbb", "7a 6b"),  # a dissolve
        ("aabbbbbb", "8b"),  # too short at the beginning
        ("aab", "3a"),
        ("aaaaabcdefbbbb", "5a 5? 4b"),  # short pictures, of which none stands for the others
        ("abcdefgg", "8?"),
        ("aaaabcdefg", "4a 6?"),
        ("----aaaa----", "4? 4a 4?"),
        ("aaaa-aaaa", "9a"),
        ("--------", "8?"),
    ],
)
def test_scenes_are_found(kinds: str, expected: str) -> None:
    assert shape(kinds) == expected


def test_scenes_cover_any_film_and_are_never_too_short() -> None:
    generator = np.random.default_rng(3)
    for _ in range(300):
        kinds = "".join(
            generator.choice(list("abc-")) * int(generator.integers(1, 8))
            for _ in range(generator.integers(1, 9))
        )
        found = scenes(kinds)
        shape(kinds)
        if len(kinds) * PERIOD_S >= SHORTEST_S:
            assert min(x.end_s - x.start_s for x in found) >= SHORTEST_S, kinds


def test_scenes_a_slow_change_is_followed_until_it_shows_something_else() -> None:
    angles = np.linspace(0, np.pi, 80)
    film = [
        FilmSample(
            i * PERIOD_S,
            np.full((1, 1, 3), i, np.uint8),
            np.array([np.cos(a), np.sin(a), 0.2], np.float32),
        )
        for i, a in enumerate(angles)
    ]
    found = list(find_scenes(film, PERIOD_S))
    assert 2 <= len(found) <= 4
    for scene in found:
        assert scene.image_hwc is not None
        assert scene.start_s <= scene.image_hwc[0, 0, 0] * PERIOD_S < scene.end_s
