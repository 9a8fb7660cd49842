"""The Piper process: loads one voice and synthesises text into PCM until its stdin closes.

`PiperVoiceProcess` runs it as ``python -m device.speech.piper_worker --voice PATH`` and exchanges
the messages of `device.speech.protocol` with it. It is the only module that imports Piper, so that
Piper's licence (GPL-3.0) applies to this process alone. A request that is cancelled is interrupted
within a few milliseconds, also in the middle of a sentence.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.speech.phrases import split_phrases
from device.speech.protocol import (
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
    from onnxruntime import InferenceSession, RunOptions  # type: ignore[import-untyped]
    from piper import AudioChunk, PiperVoice

_LOGGER = logging.getLogger(__name__)
_MAX_THREADS = 4
# ONNX Runtime reports an interrupted run as an error unless only fatal messages are written.
_FATAL_SEVERITY = 4


class RequestReader:
    """Reads requests from a pipe in a thread, so that a cancellation arrives during synthesis.

    When the pipe closes, the client has ended or died, and this process ends at once, even in the
    middle of a synthesis.

    Args:
        fd: file descriptor of the pipe.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._cancelled_ids: set[int] = set()
        self._current_id: int | None = None
        self._current_run: RunOptions | None = None
        self._waiting: queue.SimpleQueue[SpeechRequest | Failure] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> SpeechRequest | Failure:
        """Wait for a request and return it; an invalid line returns the reply to it."""
        request = self._waiting.get()
        if isinstance(request, SpeechRequest):
            with self._lock:
                self._current_id = request.id
                self._current_run = None
                # A cancellation may arrive after the end of its request. Ids only grow, so those
                # below the present one are no longer needed.
                self._cancelled_ids = {i for i in self._cancelled_ids if i >= request.id}
        return request

    def is_cancelled(self, request_id: int) -> bool:
        """Return whether the client has cancelled this request."""
        with self._lock:
            return request_id in self._cancelled_ids

    def interrupt_if_cancelled(self, run: RunOptions) -> None:
        """Interrupt a run of the model as soon as the present request is cancelled.

        Args:
            run: the options with which the run is about to start.
        """
        with self._lock:
            self._current_run = run
            run.terminate = self._current_id in self._cancelled_ids

    def _read(self) -> None:
        with open(self._fd, "rb", closefd=False) as lines:
            for line in lines:
                self._take(line)
        # sys.exit would end only this thread.
        os._exit(0)

    def _take(self, line: bytes) -> None:
        try:
            request = decode_request(line)
        except ValueError as exc:
            self._waiting.put(Failure(None, str(exc)))
            return
        if isinstance(request, CancelRequest):
            self._cancel(request.id)
        else:
            self._waiting.put(request)

    def _cancel(self, request_id: int) -> None:
        with self._lock:
            self._cancelled_ids.add(request_id)
            if request_id == self._current_id and self._current_run is not None:
                self._current_run.terminate = True


class InterruptibleSession:
    """An ONNX session in which another thread can interrupt a run, within a few milliseconds.

    It is used by ``PiperVoice`` in place of the session.

    Args:
        session: runs the model.
        on_run: called with the options of each run before it starts; setting their ``terminate``
            interrupts the run, which then raises an error.
    """

    def __init__(self, session: InferenceSession, on_run: Callable[[RunOptions], None]) -> None:
        self._session = session
        self._on_run = on_run

    def run(self, output_names: Sequence[str] | None, inputs: dict[str, Any]) -> Any:
        """Return the outputs of one run; as ``InferenceSession.run``."""
        from onnxruntime import RunOptions

        options = RunOptions()
        options.log_severity_level = _FATAL_SEVERITY
        self._on_run(options)
        return self._session.run(output_names, inputs, options)


class PiperSynthesizer:
    """A loaded Piper voice.

    Args:
        model_path: the ``.onnx`` file; its ``.onnx.json`` lies beside it.
        threads: number of threads that synthesise one sentence, >= 1.
        is_deterministic: the same text always gives the same samples; sounds flatter.
        on_run: called with the options of each run of the model before it starts.
    """

    def __init__(
        self,
        model_path: Path,
        threads: int,
        is_deterministic: bool,
        on_run: Callable[[RunOptions], None],
    ) -> None:
        self._voice = _load_voice(model_path, threads)
        self._voice.session = InterruptibleSession(self._voice.session, on_run)
        self._noise = 0.0 if is_deterministic else None

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the voice, in samples per second."""
        return int(self._voice.config.sample_rate)

    def sentences(self, request: SpeechRequest) -> Iterator[bytes]:
        """Yield the sound of each sentence as raw int16 little-endian mono PCM.

        Raises:
            Exception: the run of the model was interrupted, or the text cannot be synthesised.
        """
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
    """Return the voice, as ``PiperVoice.load`` does, but with a chosen number of threads.

    This is the only place that loads ONNX Runtime. Its telemetry would write a device id below
    ``~/.cache`` and send events to its maker, so it is switched off before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime
    from piper import PiperConfig, PiperVoice

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait occupy a core that the captioner needs, and make synthesis
    # only about 15 % faster.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # With ORT_ENABLE_ALL, loading takes 0.3 s longer (0.8 against 0.5 s on x86_64), and synthesis
    # is no faster.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    config_text = model_path.with_name(model_path.name + ".json").read_text(encoding="utf-8")
    return PiperVoice(
        config=PiperConfig.from_dict(json.loads(config_text)),
        session=onnxruntime.InferenceSession(
            str(model_path), sess_options=options, providers=["CPUExecutionProvider"]
        ),
    )


def claim_stdout() -> int:
    """Return a descriptor for the replies, and redirect all other output to stderr."""
    replies_fd = os.dup(1)
    os.dup2(2, 1)
    return replies_fd


def send(fd: int, reply: Reply) -> None:
    """Write one complete reply to the client."""
    rest = memoryview(encode_reply(reply))
    while rest:
        rest = rest[os.write(fd, rest) :]


def serve(synthesizer: PiperSynthesizer, requests: RequestReader, replies_fd: int) -> None:
    """Answer requests in their order until the client closes the connection.

    Raises:
        BrokenPipeError: the client has closed the connection.
    """
    while True:
        request = requests.next()
        if isinstance(request, Failure):
            send(replies_fd, request)
            continue
        try:
            for pcm in synthesizer.sentences(request):
                if requests.is_cancelled(request.id):
                    break
                send(replies_fd, Audio(request.id, pcm))
            send(replies_fd, End(request.id))
        except BrokenPipeError:
            raise
        except Exception as exc:
            if requests.is_cancelled(request.id):
                send(replies_fd, End(request.id))
                continue
            _LOGGER.exception("Request %d failed", request.id)
            send(replies_fd, Failure(request.id, f"{type(exc).__name__}: {exc}"))


def default_threads() -> int:
    """Return the number of synthesis threads: one fewer than cores, for camera and captioner."""
    return max(1, min(_MAX_THREADS, len(os.sched_getaffinity(0)) - 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; return its exit code: 1 when the voice cannot be loaded."""
    started_s = time.monotonic()
    # Ctrl-C sends SIGINT to the whole group, but the client decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies_fd = claim_stdout()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
    options = _parse(arguments)
    requests = RequestReader(0)
    try:
        on_run = requests.interrupt_if_cancelled
        synthesizer = PiperSynthesizer(
            options.voice, options.threads, options.deterministic, on_run
        )
    except Exception as exc:
        _LOGGER.exception("The voice %s cannot be loaded", options.voice)
        send(replies_fd, Failure(None, f"{type(exc).__name__}: {exc}"))
        return 1
    try:
        send(replies_fd, Ready(synthesizer.sample_rate_hz, time.monotonic() - started_s))
        serve(synthesizer, requests, replies_fd)
    except BrokenPipeError:
        _LOGGER.info("The client has closed the connection")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="piper_worker", description=__doc__)
    parser.add_argument("--voice", type=Path, required=True, help="the voice's .onnx file")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--deterministic", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    # Not sys.exit: the thread of the requests is blocked in a read, and Python would abort when it
    # shuts down.
    os._exit(main())
