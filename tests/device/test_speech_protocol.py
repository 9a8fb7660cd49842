"""The pure parts of speech: frames, phrases, PCM, WAV files and finding a voice."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.errors import SpeechError, VoiceError
from seealoud.device.speech import protocol
from seealoud.device.speech.pcm import PcmChunk, write_wav
from seealoud.device.speech.phrases import MAX_PHRASE_CHARS, speakable, split_phrases
from seealoud.device.speech.protocol import (
    Audio,
    CancelRequest,
    End,
    Failure,
    Ready,
    ReplyDecoder,
    SpeechRequest,
    decode_request,
    encode_reply,
    encode_request,
)
from seealoud.device.speech.voice import find_voice

RATE_HZ = 22_050
IDS = st.integers(0, 2**53)
ANY_TEXT = st.text(st.characters(), max_size=200)  # lone surrogates included
FINITE = st.floats(0, 1e6, allow_nan=False)
REPLIES = st.one_of(
    st.builds(Ready, st.integers(1, 192_000), FINITE),
    st.builds(Audio, IDS, st.binary(max_size=300).map(lambda b: b[: len(b) // 2 * 2])),
    st.builds(End, IDS),
    st.builds(Failure, st.none() | IDS, ANY_TEXT),
)


@given(st.lists(REPLIES, max_size=8), st.data())
def test_replies_survive_any_cutting_of_the_stream(
    replies: list[protocol.Reply], data: st.DataObject
) -> None:
    stream = b"".join(map(encode_reply, replies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = ReplyDecoder()
    decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoded += decoder.feed(stream[start:end])
    assert decoded == replies


@given(st.builds(SpeechRequest, IDS, ANY_TEXT, FINITE, FINITE) | st.builds(CancelRequest, IDS))
def test_a_request_is_one_line_and_survives(request_: protocol.Request) -> None:
    line = encode_request(request_)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_request(line) == request_


@pytest.mark.parametrize(
    "line",
    [b"", b"hello\n", b"[1]\n", b"{}\n", b'{"id": 1}\n', b'{"id": [], "text": ""}\n', b"\xff\n"],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        decode_request(line)


@pytest.mark.parametrize(
    "stream",
    [
        b"loading model...\n",
        b'{"kind": "audio", "id": 1}\n',
        b'{"kind": "audio", "id": 1, "bytes": -2}\n',
        b'{"kind": "audio", "id": 1, "bytes": 3}\n123',
        b'{"kind": "audio", "id": 1, "bytes": 99999999999}\n',
        b'{"kind": "audio", "bytes": 0}\n',
        b'{"kind": "song", "id": 1, "bytes": 0}\n',
        b"x" * (protocol.MAX_HEADER_BYTES + 1),
    ],
)
def test_a_corrupt_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|JSON|kind"):
        ReplyDecoder().feed(stream)


@given(ANY_TEXT)
def test_speakable_text_is_one_clean_line(text: str) -> None:
    clean = speakable(text)
    assert clean == " ".join(clean.split())
    assert "[[" not in clean
    assert "\x00" not in clean
    clean.encode("utf-8")  # no lone surrogate
    assert speakable(clean) == clean


def test_speakable_keeps_words_emoji_and_marks() -> None:
    assert speakable(" Un été,\n\ta 🐕\x07 [[ˈɛ]] runs!\n") == "Un été, a 🐕 [ˈɛ]] runs!"


@given(st.text(st.sampled_from("ab ,.!"), max_size=400), st.integers(1, 60))
def test_phrases_are_bounded_and_lose_nothing(text: str, max_chars: int) -> None:
    phrases = split_phrases(text, max_chars)
    assert all(0 < len(phrase) <= max_chars for phrase in phrases)
    assert "".join("".join(phrases).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("", []),
        ("One. Two.", ["One. Two."]),
        ("A dog runs. A cat sits.", ["A dog runs.", "A cat sits."]),
        ("A cat sits, waits and sleeps.", ["A cat sits,", "waits and", "sleeps."]),
        ("aaaaaaaaaaaaaaaaaa", ["aaaaaaaaaaaa", "aaaaaa"]),
        ("aaaaaaaaaaaa bb", ["aaaaaaaaaaaa", "bb"]),
    ],
)
def test_phrases_end_at_the_best_place(text: str, phrases: list[str]) -> None:
    assert split_phrases(text, 12) == phrases


def test_a_caption_stays_one_phrase() -> None:
    caption = "I think two people in red coats walk along a beach with a brown dog."
    assert len(caption) < MAX_PHRASE_CHARS
    assert split_phrases(caption) == [caption]


@pytest.mark.parametrize(
    ("text", "opening"),
    [
        ("Not sure, maybe two people in red coats walk along a beach.", "Not sure,"),
        ("A man is cooking. I also see an oven on the left and a bowl.", "A man is cooking."),
        ("Narration on. The camera gives no picture, so there is none.", "Narration on."),
        # Over before the rest is made: it would only leave a gap.
        ("Yes, it is a large dog that walks along the beach by day.", None),
        ("A dog runs. A cat sits.", None),
    ],
)
def test_the_opening_of_a_longer_text_is_said_first(text: str, opening: str | None) -> None:
    phrases = split_phrases(text)
    assert " ".join(phrases) == text
    assert phrases[0] == (opening or text)


def test_pcm_bytes_are_little_endian_and_survive() -> None:
    chunk = PcmChunk(np.array([1, -2, 32767], dtype=np.int16), RATE_HZ)
    assert chunk.to_bytes() == b"\x01\x00\xfe\xff\xff\x7f"
    again = PcmChunk.from_bytes(chunk.to_bytes(), RATE_HZ)
    assert again.samples.tolist() == [1, -2, 32767]
    assert again.duration_s == 3 / RATE_HZ


def _tone(duration_s: float) -> PcmChunk:
    phase = np.arange(round(duration_s * RATE_HZ)) * (2 * np.pi * 440 / RATE_HZ)
    return PcmChunk((np.sin(phase) * 12_000).astype(np.int16), RATE_HZ)


def test_a_wav_file_holds_all_chunks(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    path.write_text("older")
    duration_s = write_wav(path, iter([_tone(0.5), _tone(0.25)]))
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, RATE_HZ)
        assert wav.getnframes() / RATE_HZ == pytest.approx(0.75, abs=1e-3)
        assert wav.readframes(100) == _tone(0.5).to_bytes()[:200]
    assert duration_s == pytest.approx(0.75, abs=1e-3)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_voice_leaves_the_older_wav_file(tmp_path: Path) -> None:
    def dies() -> Iterator[PcmChunk]:
        yield _tone(0.1)
        raise VoiceError("died")

    path = tmp_path / "said.wav"
    path.write_text("older")
    with pytest.raises(VoiceError, match="died"):
        write_wav(path, dies())
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/said.wav", "file/said.wav", "folder"])
def test_an_unwritable_wav_path_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpeechError, match=str(tmp_path / place)):
        write_wav(tmp_path / place, [_tone(0.1)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_no_sound_makes_no_wav_file(tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="no sound"):
        write_wav(tmp_path / "said.wav", [])
    assert not list(tmp_path.iterdir())


def test_the_builtin_voice_is_there() -> None:
    voice = find_voice()
    assert voice.name == "en_US-joe-medium"
    assert voice.config_path.name == "en_US-joe-medium.onnx.json"


def test_a_missing_voice_is_named_with_the_next_step(tmp_path: Path) -> None:
    model = tmp_path / "en_GB-alan-low.onnx"
    with pytest.raises(VoiceError, match=rf"{model} is missing.*piper-voices"):
        find_voice(model)
    model.touch()
    with pytest.raises(VoiceError, match=rf"{model}\.json is missing"):
        find_voice(str(model))
    model.with_name(model.name + ".json").touch()
    assert find_voice(model).model_path == model


def test_a_folder_is_no_voice(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="cannot be read"):
        find_voice(tmp_path)
