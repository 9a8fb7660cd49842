"""The shipped bundle from a photograph to a caption that is printed, spoken and published.

Every part is real: the program as a process, the models, Piper, an ALSA device, Mosquitto.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.daemon_sight import daemon_sight
from support.mosquitto import Heard, Listener, listening, running_mosquitto
from support.shipped import needs_shipped_bundle, photographs, shipped_bundle
from support.tiny_bundle import flip_byte

from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.mqtt.payloads import CaptionMessage
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.captioner import Captioner
from seealoud.device.vision.manifest import DECODER, ENCODER, MANIFEST, VOCABULARY

ROOT = Path(__file__).parents[2]
FLICKR8K = Path(os.environ.get("SEEALOUD_FLICKR8K", ROOT.parent / "shared" / "flickr8k"))
DEADLINE_S = 120
VOICE_RATE_HZ = 22_050  # of the built-in voice
LOUD = 2000  # of 32768: speech is far above, silence far below
CARD = """\
pcm.!default {{ type plug; slave.pcm "capture" }}
pcm.capture {{ type file; slave.pcm "sink"; file "{file}"; format "wav"; truncate true }}
pcm.sink {{ type null }}
ctl.!default {{ type hw card 0 }}
"""

# The first pictures of the test list; all 1000 are scored where the bundle is made.
N_SCORED = 100
# The claim on all 1000 is 64.6. The hundred are fixed, so that only the bundle and a processor's
# rounding move their score, 67.7: an earlier bundle, 53.3 on all, had 45 with the pictures upside
# down and 7 with black ones.
CIDER_FLOOR = 60.0

pytestmark = needs_shipped_bundle


def describe(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    # Beside this Python, wherever PATH leads.
    program = Path(sys.executable).with_name("seealoud")
    assert program.is_file(), "not installed: pip install -e ."
    return subprocess.run(
        [program, "describe", *map(str, arguments)],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )


def speech(path: Path) -> npt.NDArray[np.int16]:
    """Return the samples of a WAV file of the built-in voice's form."""
    with wave.open(str(path)) as sound:
        assert sound.getframerate() == VOICE_RATE_HZ
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        # The header of ALSA's file plugin overstates the length.
        data = sound.readframes(sound.getnframes())
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2")


def heard_until_offline(listener: Listener) -> list[Heard]:
    """Return every message up to the one that says that the device has gone."""
    heard: list[Heard] = []
    while not heard or heard[-1].payload != b"offline":
        heard.append(listener.next(""))
    return heard


# --- captions ---------------------------------------------------------------------------------


def test_photographs_are_described_in_words_of_the_bundle() -> None:
    done = describe("--json", *photographs())
    assert (done.returncode, done.stderr) == (0, "")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [caption["source"] for caption in said] == [str(path) for path in photographs()]
    bundle = load_bundle(shipped_bundle())
    for caption in said:
        words = caption["caption"].split()
        assert 2 <= len(words) <= bundle.manifest.search.max_words
        assert set(words) <= {*bundle.vocabulary.words[4:]}
        assert caption["sentence"] == caption["caption"].capitalize() + "."
        assert caption["log_probability"] < 0
        assert math.isfinite(caption["log_probability"])
        assert caption["bundle"] == bundle.name
        assert all(milliseconds > 0 for milliseconds in caption["timings"].values())
        texts = [hypothesis["text"] for hypothesis in caption["n_best"]]
        # Unsure colours are left out of it.
        assert set(words) <= {*texts[0].split(), "a", "an"}
        assert len({*texts}) == len(texts) > 1
    assert len({caption["caption"] for caption in said}) > 1, "it says the same of everything"


def test_the_program_says_what_the_captioner_does() -> None:
    """Between the two lie the command line, a process and JSON."""
    path = photographs()[0]
    [source] = expand_sources([str(path)])
    with Captioner(load_bundle(shipped_bundle())) as captioner:
        expected = captioner.caption(source.read())
    said = json.loads(describe("--json", path).stdout)
    assert [hypothesis["text"] for hypothesis in said["n_best"]] == [
        hypothesis.text for hypothesis in expected.n_best
    ]
    assert said["log_probability"] == pytest.approx(expected.log_probability, abs=1e-4)
    assert said["n_best"][0]["score"] == pytest.approx(expected.n_best[0].score, abs=1e-4)


def test_it_says_what_the_daemon_would_say() -> None:
    said = [json.loads(line) for line in describe("--json", *photographs()).stdout.splitlines()]
    with daemon_sight(shipped_bundle()) as sight:
        for source, one in zip(expand_sources(map(str, photographs())), said, strict=True):
            found = sight.look(source.read())
            assert (one["text"], one["reason"]) == (found.text, found.reason)
            if found.caption is not None:
                assert one["probability"] == pytest.approx(found.probability, abs=1e-4)
    assert {one["text"] for one in said} == {*describe_lines(*photographs())}


def describe_lines(*sources: object) -> list[str]:
    """Return what is printed of each source, without its name."""
    return [line.partition(": ")[2] for line in describe(*sources).stdout.splitlines()]


def test_on_one_thread_it_says_the_same() -> None:
    path = photographs()[0]
    assert describe(path, "--threads", 1).stdout == describe(path).stdout


# --- the whole chain --------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("aplay") is None, reason="aplay is missing (apt: alsa-utils)")
def test_a_caption_is_printed_spoken_and_published(tmp_path: Path) -> None:
    path, wav, card = photographs()[0], tmp_path / "speech.wav", tmp_path / "card.wav"
    config = tmp_path / "asound.conf"
    config.write_text(CARD.format(file=card))
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker) as listener:
        done = describe(
            *(path, "--json", "--speak", "--wav", wav),
            *("--mqtt", broker.address, "--device-id", "kitchen"),
            ALSA_CONFIG_PATH=str(config),
        )
        assert (done.returncode, done.stderr) == (0, "")
        heard = heard_until_offline(listener)
    [line] = done.stdout.splitlines()

    online, published, offline = heard
    assert (online.topic, online.payload) == ("seealoud/kitchen/availability", b"online")
    assert (offline.topic, offline.payload) == ("seealoud/kitchen/availability", b"offline")
    assert published.topic == "seealoud/kitchen/caption"
    message: dict[str, Any] = json.loads(published.payload)
    CaptionMessage.model_validate(message)
    printed = json.loads(line)
    assert message["caption"]
    assert {key: message[key] for key in printed} == printed
    assert message["cause"] == "describe"

    spoken, played = speech(wav), speech(card)
    assert np.abs(spoken.astype(int)).max() > LOUD
    assert 0.5 < len(spoken) / VOICE_RATE_HZ < 30
    np.testing.assert_array_equal(played[: len(spoken)], spoken)


# --- quality ----------------------------------------------------------------------------------


@pytest.mark.flickr8k
@pytest.mark.skipif(
    not (FLICKR8K / "Flickr8k.token.txt").is_file(),
    reason=f"no Flickr8k in {FLICKR8K} (set SEEALOUD_FLICKR8K)",
)
def test_its_captions_are_as_good_as_promised() -> None:
    """From the pictures' files to the words by the device's code alone."""
    from seealoud.training.data.readers import open_dataset
    from seealoud.training.metrics.scores import score

    pictures = open_dataset(FLICKR8K).test[:N_SCORED]
    names = {str(picture.path): picture.name for picture in pictures}
    with Captioner(load_bundle(shipped_bundle())) as captioner:
        said = {
            names[source.name]: captioner.caption(source.read()).text
            for source in expand_sources(names)
        }
    references = {picture.name: picture.captions for picture in pictures}
    scores = score(said, references, with_meteor=False)
    assert scores.cider > CIDER_FLOOR
    assert scores.distinct_captions > N_SCORED / 3


# --- a broken copy ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY])
def test_one_changed_byte_of_the_bundle_ends_in_one_line(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(shipped_bundle(), folder)
    size_bytes = (folder / name).stat().st_size
    flip_byte(folder / name, size_bytes // 2, bits=1)
    done = describe(photographs()[0], "--bundle", folder)
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"seealoud: {folder / name} is not the file")


@pytest.mark.parametrize("name", [ENCODER, DECODER, VOCABULARY, MANIFEST])
def test_a_bundle_copied_in_part_ends_in_one_line(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(shipped_bundle(), folder)
    (folder / name).write_bytes(b"")
    done = describe(photographs()[0], "--bundle", folder)
    assert (done.returncode, done.stdout) == (3, "")
    [line] = done.stderr.splitlines()
    assert str(folder) in line
