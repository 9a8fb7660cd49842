"""The resident Piper process, with the real voice: streaming, cancelling, dying, restarting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seealoud.device.errors import VoiceError
from seealoud.device.speech.piper import PiperOptions, PiperVoiceProcess
from seealoud.device.speech.protocol import Audio, End, Failure, Ready, Reply, ReplyDecoder
from seealoud.device.speech.voice import VoiceFiles, find_voice
from seealoud.device.speech.worker_process import WorkerProcess

DOG = "A brown dog runs through the grass."
LONG = "A brown dog runs through the tall grass. " * 40
DETERMINISTIC = PiperOptions(is_deterministic=True)
# Generous: the machine that runs the tests may be busy. Never waited for when all is well.
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def voice() -> Iterator[PiperVoiceProcess]:
    with PiperVoiceProcess(find_voice(), DETERMINISTIC) as process:
        process.warm()
        yield process


def _said(voice: PiperVoiceProcess, text: str, *, rate: float = 1.0, volume: float = 1.0) -> bytes:
    return b"".join(c.to_bytes() for c in voice.synthesize(text, rate=rate, volume=volume))


def _is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_it_speaks_the_sentence_with_sound_in_it(voice: PiperVoiceProcess) -> None:
    (chunk,) = voice.synthesize(DOG)
    assert chunk.sample_rate_hz == 22_050
    assert 1.0 < chunk.duration_s < 4.0
    assert np.abs(chunk.samples.astype(np.int32)).max() > 10_000


def test_deterministic_speech_is_byte_identical(voice: PiperVoiceProcess) -> None:
    assert _said(voice, DOG) == _said(voice, DOG)


def test_ready_says_rate_and_load_time(voice: PiperVoiceProcess) -> None:
    ready = voice.start()
    assert ready.sample_rate_hz == 22_050
    assert 0 < ready.load_s < DEADLINE_S


def test_two_sentences_come_one_by_one(voice: PiperVoiceProcess) -> None:
    arrived_s = []
    for _ in voice.synthesize(f"A dog. {DOG}"):
        arrived_s.append(time.monotonic())
    first_s, last_s = arrived_s
    # The second takes some 200 ms to make: had both been sent at the end, the gap were nil.
    assert last_s - first_s > 0.03


def test_rate_and_volume_change_the_sound(voice: PiperVoiceProcess) -> None:
    natural = np.frombuffer(_said(voice, DOG), "<i2").astype(np.int32)
    fast = np.frombuffer(_said(voice, DOG, rate=2.0), "<i2")
    quiet = np.frombuffer(_said(voice, DOG, volume=0.25), "<i2").astype(np.int32)
    assert 0.4 < len(fast) / len(natural) < 0.7
    assert np.abs(quiet).max() == pytest.approx(np.abs(natural).max() / 4, rel=0.01)


@pytest.mark.parametrize(("rate", "volume"), [(0.0, 1.0), (9.0, 1.0), (1.0, -1.0), (1.0, np.inf)])
def test_impossible_rate_or_volume_is_refused_at_once(
    voice: PiperVoiceProcess, rate: float, volume: float
) -> None:
    with pytest.raises(ValueError, match="is not"):
        voice.synthesize(DOG, rate=rate, volume=volume)


@pytest.mark.parametrize("text", ["", " \n\t", "...", "\x00\ud800", "\u200b", "[[", "-"])
def test_text_without_words_gives_nothing(voice: PiperVoiceProcess, text: str) -> None:
    assert _said(voice, text) == b""


@pytest.mark.parametrize(
    "text", ["one\ntwo\r\nthree", "🐕", "nul\x00\x1b[31m", "[[ˈɛ]] [[", "a\ud800b", "犬", "x" * 99]
)
def test_weird_text_is_spoken(voice: PiperVoiceProcess, text: str) -> None:
    assert len(_said(voice, text)) > 4_000


def test_5000_characters_without_a_full_stop_start_early(voice: PiperVoiceProcess) -> None:
    started_s = time.monotonic()
    chunks = voice.synthesize(("a brown dog and " * 320)[:5000])
    first = next(chunks)
    assert first.duration_s < 15  # a phrase, not the five minutes of all of it
    assert time.monotonic() - started_s < 10
    chunks.close()
    # What was left early does not hold up what is said next.
    assert _said(voice, "Yes.")
    assert time.monotonic() - started_s < 20


def test_cancelling_ends_it_without_an_error(voice: PiperVoiceProcess) -> None:
    cancelled = threading.Event()
    chunks = voice.synthesize(LONG, cancelled=cancelled)
    next(chunks)
    cancelled.set()
    started_s = time.monotonic()
    assert list(chunks) == []
    assert time.monotonic() - started_s < 0.1


def test_a_cancelled_sentence_does_not_delay_the_next(voice: PiperVoiceProcess) -> None:
    sentence = "a brown dog runs through the tall grass and " * 2
    took_s, waited_s = [], []
    for _ in range(3):  # the best of three, because the machine may be busy
        began_s = time.monotonic()
        assert _said(voice, sentence)
        took_s.append(time.monotonic() - began_s)
        cancelled = threading.Event()
        threading.Timer(took_s[-1] / 4, cancelled.set).start()
        assert list(voice.synthesize(sentence, cancelled=cancelled)) == []
        began_s = time.monotonic()
        assert _said(voice, "Yes.")
        waited_s.append(time.monotonic() - began_s)
    alone_s = []
    for _ in range(3):
        began_s = time.monotonic()
        assert _said(voice, "Yes.")
        alone_s.append(time.monotonic() - began_s)
    # Waiting for the end of the cancelled sentence would take another 3 / 4 of its time.
    assert min(waited_s) < min(alone_s) + min(took_s) / 4


def test_cancelled_beforehand_says_nothing(voice: PiperVoiceProcess) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert list(voice.synthesize(DOG, cancelled=cancelled)) == []


def test_two_threads_each_get_their_own_words(voice: PiperVoiceProcess) -> None:
    texts = ["A dog.", "Two children play football."]
    expected = [_said(voice, text) for text in texts]
    found = [b"", b""]

    def say(index: int) -> None:
        found[index] = _said(voice, texts[index])

    threads = [threading.Thread(target=say, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert found == expected


def test_killed_in_mid_word_is_an_error_and_the_next_words_work(voice: PiperVoiceProcess) -> None:
    before = _said(voice, DOG)
    first_pid = voice.pid
    assert first_pid is not None
    chunks = voice.synthesize(LONG)
    next(chunks)
    os.kill(first_pid, signal.SIGKILL)
    started_s = time.monotonic()
    with pytest.raises(VoiceError, match=r"ended while it spoke.*exit code -9"):
        list(chunks)
    assert time.monotonic() - started_s < 5
    assert _said(voice, DOG) == before
    assert voice.pid != first_pid
    assert _is_gone(first_pid)


def test_a_voice_killed_while_idle_is_replaced_at_the_next_utterance(
    voice: PiperVoiceProcess,
) -> None:
    voice.start()
    pid = voice.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # Not reaped yet: wait for the zombie, not for a time.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert _said(voice, "Yes.")


def test_ctrl_c_does_not_end_the_process(voice: PiperVoiceProcess) -> None:
    voice.start()
    pid = voice.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert _said(voice, "Yes.")
    assert voice.pid == pid


def test_a_hung_process_is_killed_and_replaced() -> None:
    options = PiperOptions(is_deterministic=True, reply_timeout_s=2.0)
    with PiperVoiceProcess(find_voice(), options) as voice:
        voice.start()
        pid = voice.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(VoiceError, match="no sound for 2 s"):
            list(voice.synthesize(DOG))
        assert _is_gone(pid)
        assert _said(voice, "Yes.")


def test_a_voice_that_loads_too_slowly_is_an_error() -> None:
    with (
        PiperVoiceProcess(find_voice(), PiperOptions(start_timeout_s=0.01)) as voice,
        pytest.raises(VoiceError, match=r"not ready after 0\.01 s"),
    ):
        voice.start()


def test_a_broken_voice_is_named_with_the_reason(tmp_path: Path) -> None:
    good = find_voice()
    model = tmp_path / "broken.onnx"
    model.write_bytes(b"this is no model")
    config = tmp_path / "broken.onnx.json"
    config.write_bytes(good.config_path.read_bytes())
    with PiperVoiceProcess(VoiceFiles(model, config)) as voice:
        for _ in range(2):  # the second attempt is a new process with the same answer
            with pytest.raises(VoiceError, match=rf"{model}.*cannot be loaded.*Protobuf"):
                voice.start()


def test_closing_is_final_and_may_be_repeated() -> None:
    voice = PiperVoiceProcess(find_voice())
    voice.warm()
    pid = voice.pid
    assert pid is not None
    voice.close()
    voice.close()
    assert _is_gone(pid)
    assert voice.pid is None
    with pytest.raises(VoiceError, match="closed"):
        list(voice.synthesize(DOG))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print('Loading the model', flush=True); input()", "not as expected"),
        ("import sys; sys.exit('no such module')", r"no such module \(exit code 1\)"),
        ("pass", r"reported no reason \(exit code 0\)"),
    ],
)
def test_a_process_that_is_no_worker_is_an_error(program: str, reason: str) -> None:
    worker = WorkerProcess([sys.executable, "-c", program])
    try:
        with pytest.raises(VoiceError, match=reason):
            worker.wait_ready(DEADLINE_S, lambda: False)
    finally:
        worker.stop()


def test_a_process_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="cannot be started"):
        WorkerProcess([str(tmp_path / "missing")])


class RawWorker:
    """The worker as a bare child process, without the client."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "seealoud.device.speech.piper_worker"]
        command += ["--voice", str(find_voice().model_path), "--deterministic"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._decoder = ReplyDecoder()
        self._replies: list[Reply] = []

    def __enter__(self) -> RawWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> Reply:
        assert self.process.stdout is not None
        while not self._replies:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, "the worker closed its output"
            self._replies = self._decoder.feed(data)
        return self._replies.pop(0)


def test_the_worker_alone() -> None:
    """Frames in order, nonsense answered and survived, and its end with its client's."""
    with RawWorker() as worker:
        assert isinstance(worker.read(), Ready)
        worker.write(b"nonsense")
        refusal = worker.read()
        assert isinstance(refusal, Failure)
        assert "nonsense" in refusal.message
        worker.write(b'{"id": 3, "text": "nul\\u0000"}')
        failure = worker.read()
        assert isinstance(failure, Failure)
        assert failure.id == 3
        worker.write(b'{"id": 4, "text": "Yes. No."}')
        kinds = [type(worker.read()) for _ in range(3)]
        assert kinds == [Audio, Audio, End]
        worker.write(b'{"id": 5, "text": "' + LONG.encode() + b'"}')
        assert isinstance(worker.read(), Audio)
        worker.write(b'{"cancel": 5}')
        replies = [worker.read()]
        while not isinstance(replies[-1], End):
            replies.append(worker.read())
        assert len(replies) < 10  # not the forty sentences
        worker.write(b'{"id": 6, "text": "' + LONG.encode() + b'"}')
        assert isinstance(worker.read(), Audio)
        # In the middle of a long synthesis, as when the client is killed.
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        started_s = time.monotonic()
        assert worker.process.wait(DEADLINE_S) == 0
        assert time.monotonic() - started_s < 1


def test_stray_prints_do_not_reach_the_frames() -> None:
    program = (
        "import os; from seealoud.device.speech.piper_worker import claim_stdout\n"
        "fd = claim_stdout();"
        "print('from python', flush=True); os.system('echo from a child'); os.write(fd, b'frame')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=DEADLINE_S, check=True
    )
    assert done.stdout == b"frame"
    assert b"from python" in done.stderr
    assert b"from a child" in done.stderr


def test_our_own_process_never_loads_piper() -> None:
    program = (
        "import sys, seealoud.device.speech.announcer, seealoud.device.speech.pcm\n"
        "import seealoud.device.speech.voice as v\n"
        "v.find_voice(); assert not {'piper', 'onnxruntime'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], timeout=DEADLINE_S, check=True)
