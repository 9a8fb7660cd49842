"""A film's sound: its pauses, where speech finds room, and the mixture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.films import SIZE, make_film, needs_ffmpeg, speech_like

from seealoud.device.errors import SpeechError
from seealoud.device.speech.film_sound import FilmSound, TimeSpan, mixed, place

RATE_HZ = 16_000
GREY = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)


@needs_ffmpeg
def test_film_sound_has_the_pauses_without_speech(tmp_path: Path) -> None:
    loud = [(0.0, 3.0), (5.5, 8.0), (8.4, 10.0)]
    path = make_film(tmp_path / "a film's: 100%.mp4", [(GREY, 12.0)], speech_like(12.0, loud))
    sound = FilmSound(path, tmp_path, RATE_HZ)
    assert len(sound.samples) / RATE_HZ == pytest.approx(12.0, abs=0.1)
    pauses = sound.pauses()
    sound.close()
    # 0.4 s between two words is no pause.
    assert [round(x.start_s, 1) for x in pauses] == [pytest.approx(3.15, abs=0.15), 10.2]
    assert pauses[0].end_s == pytest.approx(5.35, abs=0.15)
    assert [x.name for x in tmp_path.iterdir()] == [path.name]

    path = make_film(tmp_path / "quiet.mp4", [(GREY, 3.0)], np.zeros(3 * RATE_HZ, np.int16))
    sound = FilmSound(path, tmp_path, RATE_HZ)
    (pause,) = sound.pauses()
    sound.close()
    assert pause.end_s - pause.start_s > 2.5

    silent = make_film(tmp_path / "silent.mp4", [(GREY, 1.0)])
    with pytest.raises(SpeechError, match=r"has no sound track.*--beside"):
        FilmSound(silent, tmp_path, RATE_HZ)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film at all")
    with pytest.raises(SpeechError, match=r"ffmpeg cannot read the sound of .*bad\.mp4: "):
        FilmSound(bad, tmp_path, RATE_HZ)


def test_film_sound_names_the_package_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpeechError, match=r"apt install ffmpeg, or give --beside"):
        FilmSound(tmp_path / "film.mp4", tmp_path, RATE_HZ)


def test_film_sound_speech_begins_in_its_scene_within_a_pause() -> None:
    scenes = [TimeSpan(0, 5), TimeSpan(5, 9), TimeSpan(9, 20)]
    pauses = [TimeSpan(1, 3), TimeSpan(4, 8), TimeSpan(8.5, 20)]
    assert place(scenes, [[1.9], [2.0], [3.0]], pauses) == [(1, 0), (5, 0), (9, 0)]
    assert place(scenes, [[2.5], [1.9], [3.0]], pauses) == [None, (5, 0), (9, 0)]
    assert place(scenes, [[1.9], [2.0], []], []) == [None] * 3
    # The best form that fits, be it later in the scene; a shorter one where only that fits.
    assert place(scenes[:1], [[1.95, 1.0]], pauses[1:]) == [(4, 0)]
    assert place(scenes[:1], [[2.5, 1.5]], pauses[:1]) == [(1, 1)]
    # What is being spoken delays the next; what would last too long after its scene is left out.
    two, whole = [TimeSpan(0, 4), TimeSpan(4, 6)], [TimeSpan(0, 9)]
    assert place(two, [[4.5], [3.0]], whole) == [(0, 0), None]
    assert place(two, [[4.5], [2.0]], whole) == [(0, 0), (pytest.approx(4.65), 0)]


def test_film_sound_is_mixed_with_speech_and_has_the_film_s_length() -> None:
    rate_hz = 1000
    film = np.full(40_000, 100, np.int16)
    speech = [(29.5, np.full(1000, 1000, np.int16)), (40.0, np.full(500, 32_700, np.int16))]
    whole = np.concatenate([x.samples for x in mixed(film, speech, rate_hz, 45.0)])
    assert len(whole) == 45_000
    assert (whole[29_500:30_500] == 1100).all()
    assert (whole[40_000:40_500] == 32_700).all()
    assert (np.delete(whole[:40_000], range(29_500, 30_500)) == 100).all()
    assert not whole[40_500:].any()
    loud = [(0.0, np.full(100, 32_700, np.int16))]
    (chunk,) = mixed(film, loud, rate_hz, 0.1)
    assert (chunk.samples == 32_767).all()
