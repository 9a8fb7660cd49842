"""The Piper process: loads one voice, then turns lines of text into PCM until its stdin closes.

Run by `PiperVoiceProcess` as ``python -m seealoud.device.speech.piper_worker --voice PATH``; the
messages are those of `device.speech.protocol`. The only module that imports Piper, whose
licence (GPL-3.0) therefore ends at this process's pipes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seealoud.device.speech.phrases import split_phrases
from seealoud.device.speech.protocol import (
    Audio,
    CancelRequest,
    End,
    Failure,
    Ready,
    Reply,
    SpeechRequest,
    decode_request,
    encode_reply,
)

if TYPE_CHECKING:
    from piper import AudioChunk, PiperVoice

_LOGGER = logging.getLogger(__name__)
_MAX_THREADS = 4


class RequestReader:
    """Reads requests from a pipe in a thread, so that a cancel is seen while a voice speaks.

    When the pipe closes the client has ended or died: the process ends at once, whatever it
    is doing.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._cancelled_ids: set[int] = set()
        self._waiting: queue.SimpleQueue[SpeechRequest | Failure] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> SpeechRequest | Failure:
        """Return the next request, or the reply to an invalid line; waits for it."""
        request = self._waiting.get()
        if isinstance(request, SpeechRequest):
            with self._lock:
                # A cancel may arrive after its request's end; ids only grow, so forget it.
                self._cancelled_ids = {i for i in self._cancelled_ids if i >= request.id}
        return request

    def is_cancelled(self, request_id: int) -> bool:
        """Return whether the client no longer wants this request."""
        with self._lock:
            return request_id in self._cancelled_ids

    def _read(self) -> None:
        with open(self._fd, "rb", closefd=False) as lines:
            for line in lines:
                self._take(line)
        # sys.exit would end this thread only, and synthesis cannot be interrupted otherwise.
        os._exit(0)

    def _take(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except ValueError as exc:
            self._waiting.put(Failure(None, str(exc)))
            return
        if isinstance(request, CancelRequest):
            with self._lock:
                self._cancelled_ids.add(request.id)
        else:
            self._waiting.put(request)


class PiperSynthesizer:
    """A loaded Piper voice.

    Args:
        model_path: the ``.onnx`` file; its ``.onnx.json`` lies beside it.
        threads: threads per sentence, >= 1.
        is_deterministic: the same text always gives the same samples; sounds flatter.
    """

    def __init__(self, model_path: Path, threads: int, is_deterministic: bool) -> None:
        self._voice = _load_voice(model_path, threads)
        self._noise = 0.0 if is_deterministic else None

    @property
    def sample_rate_hz(self) -> int:
        """Rate of all its sound."""
        return int(self._voice.config.sample_rate)

    def sentences(self, request: SpeechRequest) -> Iterator[bytes]:
        """Yield each sentence's sound as raw int16 little-endian mono PCM."""
        from piper import SynthesisConfig

        config = SynthesisConfig(
            length_scale=self._voice.config.length_scale * request.length_scale,
            noise_scale=self._noise,
            noise_w_scale=self._noise,
            volume=request.volume,
        )
        for phrase in split_phrases(request.text):
            chunk: AudioChunk
            for chunk in self._voice.synthesize(phrase, config):
                yield chunk.audio_int16_array.astype("<i2", copy=False).tobytes()


def _load_voice(model_path: Path, threads: int) -> PiperVoice:
    """Return the voice; as ``PiperVoice.load``, which has no option for the number of threads.

    This is the only place that loads ONNX Runtime. Its telemetry, which would write a device id
    below ``~/.cache`` and send events to its maker, is switched off before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # type: ignore[import-untyped]
    from piper import PiperConfig, PiperVoice

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning pool costs a core that the captioner needs, for a gain of about 15 %.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # "All" loads 0.3 s slower (0.8 against 0.5 s on x86_64) and speaks no faster.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    config_text = model_path.with_name(model_path.name + ".json").read_text(encoding="utf-8")
    return PiperVoice(
        config=PiperConfig.from_dict(json.loads(config_text)),
        session=onnxruntime.InferenceSession(
            str(model_path), sess_options=options, providers=["CPUExecutionProvider"]
        ),
    )


def claim_stdout() -> int:
    """Return a descriptor for the frames, and send whatever else is printed to stderr."""
    frames_fd = os.dup(1)
    os.dup2(2, 1)
    return frames_fd


def send(fd: int, reply: Reply) -> None:
    """Write one reply to the client, whole."""
    rest = memoryview(encode_reply(reply))
    while rest:
        rest = rest[os.write(fd, rest) :]


def serve(synthesizer: PiperSynthesizer, requests: RequestReader, frames_fd: int) -> None:
    """Answer requests, one after the other, until the client is gone.

    Raises:
        BrokenPipeError: the client is gone.
    """
    while True:
        request = requests.next()
        if isinstance(request, Failure):
            send(frames_fd, request)
            continue
        try:
            for pcm in synthesizer.sentences(request):
                if requests.is_cancelled(request.id):
                    break
                send(frames_fd, Audio(request.id, pcm))
            send(frames_fd, End(request.id))
        except BrokenPipeError:
            raise
        except Exception as exc:
            _LOGGER.exception("Request %d failed", request.id)
            send(frames_fd, Failure(request.id, f"{type(exc).__name__}: {exc}"))


def default_threads() -> int:
    """Return how many threads speak: all cores but one, which camera and captioner keep."""
    return max(1, min(_MAX_THREADS, len(os.sched_getaffinity(0)) - 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; return its exit code: 1 when the voice cannot be loaded."""
    started_s = time.monotonic()
    # Ctrl-C reaches the whole group, but the client decides when the voice ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frames_fd = claim_stdout()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    options = _parse(arguments)
    requests = RequestReader(0)
    try:
        synthesizer = PiperSynthesizer(options.voice, options.threads, options.deterministic)
    except Exception as exc:
        _LOGGER.exception("The voice %s cannot be loaded", options.voice)
        send(frames_fd, Failure(None, f"{type(exc).__name__}: {exc}"))
        return 1
    try:
        send(frames_fd, Ready(synthesizer.sample_rate_hz, time.monotonic() - started_s))
        serve(synthesizer, requests, frames_fd)
    except BrokenPipeError:
        _LOGGER.info("The client is gone")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="piper_worker", description=__doc__)
    parser.add_argument("--voice", type=Path, required=True, help="the voice's .onnx file")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--deterministic", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Not sys.exit: the request thread is blocked in a read, and Python's shutdown would abort.
    os._exit(main())
