"""``seealoud describe`` with a real bundle, the tiny one: from the picture's file to the line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import tiny_model as tiny
from support.confident_bundle import confident_bundle
from support.daemon_sight import daemon_sight
from support.pictures import encoded, write
from support.tiny_bundle import TINY_BUNDLE, copy_bundle, flip_byte

from seealoud.device.__main__ import main
from seealoud.device.records import Frame
from seealoud.device.vision.manifest import DECODER, ENCODER, MANIFEST, VOCABULARY

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the program: exit code, lines of stdout, lines of stderr."""
    monkeypatch.setenv("SEEALOUD_BUNDLE", str(TINY_BUNDLE))

    def run(*arguments: Any) -> tuple[int, list[str], list[str]]:
        code = main(["describe", *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def view(colour: Sequence[int]) -> tiny.Image:
    """Return a picture of one colour where the captioner looks, and black or white beside that.

    A picture of one colour alone is refused: something covers the camera.
    """
    image_hwc = tiny.plain([0 if max(colour) else 255] * 3, 90, 160)
    image_hwc[:, 20:-20] = colour
    return image_hwc


@pytest.fixture
def red(tmp_path: Path) -> Path:
    return write(tmp_path / "red.png", encoded(view((255, 0, 0)), ".png"))


@pytest.mark.parametrize(("colour", "known"), tiny.KNOWN.items())
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_is_described(
    run: Run, tmp_path: Path, colour: tuple[int, int, int], known: tuple[str, float], suffix: str
) -> None:
    picture = write(tmp_path / f"picture{suffix}", encoded(tiny.plain(colour), suffix))
    code, [line], err = run(picture, "--json")
    assert (code, json.loads(line)["caption"], err) == (0, known[0], [])


def test_a_camera_frame_is_described_by_its_middle(run: Run, tmp_path: Path) -> None:
    frame = tiny.plain((0, 0, 255), 720, 1280)
    frame[:, 160:-160] = (0, 255, 0)
    path = write(tmp_path / "frame.png", encoded(frame, ".png"))
    assert run(path) == (0, ["I see a green picture."], [])


def test_json_has_all_that_is_known(run: Run, red: Path) -> None:
    code, [line], err = run(red, "--json", "--n-best", 2)
    assert (code, err) == (0, [])
    said = json.loads(line)
    text, log_probability = tiny.KNOWN[255, 0, 0]
    assert said["caption"] == said["n_best"][0]["text"] == text
    assert (said["text"], said["sentence"]) == ("I see a red picture.", "A red picture.")
    assert (said["probability"], said["reason"]) == (None, "")  # the tiny bundle measured nothing
    assert said["log_probability"] == pytest.approx(
        log_probability, abs=tiny.QUANTIZATION_TOLERANCE
    )
    assert said["n_best"][0]["log_probability"] == said["log_probability"]
    assert len(said["n_best"]) == 2
    assert said["bundle"] == "tiny"
    assert said["source"] == str(red)
    assert said["timings"]["encoder_ms"] > 0


def test_it_says_what_the_daemon_says_of_the_same_picture(run: Run, tmp_path: Path) -> None:
    folder = confident_bundle(tmp_path / "confident", novelty={"largest": 0.6})
    looks = {
        "sure": view((255, 0, 0)),
        "unsure": view((160, 120, 120)),  # "a red and green picture", but green is unlikely
        "strange": view((0, 0, 255)),  # red and light are familiar
        "covered": tiny.plain((255, 0, 0)),
    }
    shown = set()
    with daemon_sight(folder) as sight:
        for name, image_hwc in looks.items():
            path = write(tmp_path / f"{name}.png", encoded(image_hwc, ".png"))
            found = sight.look(Frame.now(image_hwc, str(path)))
            text = found.text
            assert run(path, "--bundle", folder) == (0, [text], []), name
            _, [line], _ = run(path, "--bundle", folder, "--json")
            said = json.loads(line)
            assert said["text"] == text
            assert said["caption"].endswith("picture")
            assert 0 <= said["probability"] <= 1
            assert said["reason"] == found.reason
            assert "green" not in said["text"]
            shown.add((" ".join(said["text"].split()[:2]), said["reason"]))
    assert shown == {
        ("I see", ""),
        ("I think", ""),
        ("This looks", "unfamiliar"),
        ("Something covers", "covered"),
    }


def test_a_bad_file_in_a_folder_stops_no_other(run: Run, tmp_path: Path, red: Path) -> None:
    write(tmp_path / "bad.jpg", b"no picture")
    write(tmp_path / "blue.png", encoded(view((0, 0, 255)), ".png"))
    code, out, err = run(tmp_path)
    assert code == 4
    assert out == [f"{tmp_path}/blue.png: I see a blue picture.", f"{red}: I see a red picture."]
    assert len(err) == 1
    assert "bad.jpg" in err[0]


def test_the_option_comes_before_the_environment(
    run: Run, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALOUD_BUNDLE", "/nowhere")
    code, out, [line] = run(red)
    assert (code, out) == (3, [])
    assert line.startswith("seealoud: no bundle '/nowhere': neither /nowhere/manifest.json nor ")
    assert run(red, "--bundle", TINY_BUNDLE) == (0, ["I see a red picture."], [])


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY, MANIFEST])
def test_one_changed_byte_ends_in_one_line(run: Run, red: Path, tmp_path: Path, name: str) -> None:
    folder = copy_bundle(tmp_path / "broken")
    flip_byte(folder / name, 40)
    code, out, err = run(red, "--bundle", folder)
    assert (code, out, len(err)) == (3, [], 1)
    assert str(folder) in err[0]
    assert name in err[0]


def test_a_failed_self_test_ends_in_one_line(run: Run, red: Path, tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "broken", {"self_test/ids": [tiny.A]})
    code, out, err = run(red, "--bundle", folder)
    assert (code, out, len(err)) == (3, [], 1)
    assert "fails its self-test" in err[0]


def test_a_beam_wider_than_the_bundle_ends_in_one_line(run: Run, red: Path) -> None:
    assert run(red, "--beam", 4) == (
        2,
        [],
        ["seealoud: beam width 4: bundle tiny was exported for at most 3"],
    )


def test_greedy_search_can_be_asked_for(run: Run, red: Path) -> None:
    code, [line], err = run(red, "--json", "--beam", 1)
    assert (code, err) == (0, [])
    assert [hypothesis["text"] for hypothesis in json.loads(line)["n_best"]] == ["a red picture"]


def test_as_a_process_it_says_nothing_but_the_caption(red: Path) -> None:
    """LiteRT greets on the process's stderr, which no capturing inside Python would show."""
    done = subprocess.run(
        [sys.executable, "-m", "seealoud", "describe", str(red), "--bundle", str(TINY_BUNDLE)],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"I see a red picture.\n", b"")
