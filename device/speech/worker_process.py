"""Starts one Piper process, sends requests to it, reads its output in two threads, and kills it.

Invariant: when the process ends, every wait for one of its replies ends with an error.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from seealoud.device.errors import VoiceError
from seealoud.device.speech.child_process import (
    KILL_TIMEOUT_S,
    kill_child,
    start_child,
    write_bounded,
)
from seealoud.device.speech.protocol import (
    CancelRequest,
    Failure,
    Ready,
    Reply,
    ReplyDecoder,
    Request,
    SpeechRequest,
    encode_request,
)

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.02
_WRITE_TIMEOUT_S = 5.0
_READ_BYTES = 1 << 16
_KEPT_STDERR_LINES = 8

Inbox = queue.SimpleQueue[Reply | None]


class WorkerProcess:
    """A running Piper process.

    Args:
        command: the program and its arguments; it follows `seealoud.device.speech.protocol`.

    Raises:
        VoiceError: the process cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._inboxes: dict[int, Inbox] = {}
        self._ready: Ready | None = None
        self._failure = ""
        # Set when the process is ready, or has failed to become ready.
        self._is_settled = threading.Event()
        self._has_ended = threading.Event()
        self._stderr_lines: deque[str] = deque(maxlen=_KEPT_STDERR_LINES)
        self._process = _spawn(command)
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        self._threads = (
            threading.Thread(target=self._read_replies, name="voice-replies", daemon=True),
            threading.Thread(target=self._read_stderr, name="voice-stderr", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still accepts requests."""
        return not self._has_ended.is_set() and self._process.poll() is None

    def wait_ready(self, timeout_s: float, is_cancelled: Callable[[], bool]) -> Ready | None:
        """Wait until the voice is loaded; return its message, or None if the wait is cancelled.

        Raises:
            VoiceError: the process has ended.
            TimeoutError: the voice is not loaded within ``timeout_s`` seconds.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_settled.wait(_POLL_S):
            if is_cancelled():
                return None
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not ready after {timeout_s:g} s")
        if self._ready is None:
            raise VoiceError(f"the voice cannot be loaded: {self.end_reason()}")
        return self._ready

    def submit(self, request: SpeechRequest) -> Inbox:
        """Send a request; return the queue that receives its replies.

        None in the queue means that the process has ended.

        Raises:
            VoiceError: the process no longer accepts requests.
        """
        inbox: Inbox = queue.SimpleQueue()
        with self._lock:
            self._inboxes[request.id] = inbox
            if self._has_ended.is_set():
                inbox.put(None)
        self._write(request)
        return inbox

    def forget(self, request_id: int, *, is_finished: bool) -> None:
        """Discard further replies to a request; cancel it unless it is finished."""
        with self._lock:
            self._inboxes.pop(request_id, None)
        if not is_finished and self.is_alive:
            try:
                self._write(CancelRequest(request_id))
            except VoiceError as exc:
                _LOGGER.debug("Request %d could not be cancelled: %s", request_id, exc)

    def end_reason(self) -> str:
        """Return why the process ended; call it only after its end."""
        self._threads[1].join(KILL_TIMEOUT_S)
        try:
            code: int | str = self._process.wait(KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = "still running"
        reason = self._failure or " | ".join(self._stderr_lines) or "it reported no reason"
        return f"{reason} (exit code {code})"

    def stop(self) -> None:
        """Kill the process and wait until it and its threads have ended; may be called again."""
        # Killing loses nothing, because the process stores nothing.
        kill_child(self._process)
        for thread in self._threads:
            thread.join(KILL_TIMEOUT_S)
            if thread.is_alive():
                _LOGGER.error("The thread %s is still running after its process ended", thread.name)
        with self._write_lock:
            self._stdin.close()

    def _write(self, request: Request) -> None:
        try:
            with self._write_lock:
                write_bounded(self._process, encode_request(request), _WRITE_TIMEOUT_S)
        except (OSError, ValueError) as exc:  # ValueError: stop() has closed the pipe
            # If only part of a line was written, the process cannot decode what follows.
            self._process.kill()
            raise VoiceError(f"the process of the voice no longer accepts text: {exc}") from exc

    def _read_replies(self) -> None:
        decoder = ReplyDecoder()
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stdout:
                while data := stdout.read(_READ_BYTES):
                    for reply in decoder.feed(data):
                        self._deliver(reply)
        except (OSError, ValueError) as exc:
            self._failure = f"its output is not as expected: {exc}"
            self._process.kill()
        finally:
            self._end()

    def _deliver(self, reply: Reply) -> None:
        if isinstance(reply, Ready):
            self._ready = reply
            self._is_settled.set()
        elif isinstance(reply, Failure) and reply.id is None:
            self._failure = reply.message
        else:
            assert reply.id is not None
            with self._lock:
                inbox = self._inboxes.get(reply.id)
            if inbox is not None:
                inbox.put(reply)

    def _end(self) -> None:
        with self._lock:
            self._has_ended.set()
            for inbox in self._inboxes.values():
                inbox.put(None)
        self._is_settled.set()

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        with io.TextIOWrapper(self._process.stderr, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._stderr_lines.append(line.strip())
                _LOGGER.debug("Piper: %s", line.rstrip())


def _spawn(command: Sequence[str]) -> subprocess.Popen[bytes]:
    # The child must find this package in the same place, also in a checkout that is not installed.
    package_root = str(Path(__file__).parents[3])
    inherited = os.environ.get("PYTHONPATH")
    python_path = os.pathsep.join([package_root, inherited] if inherited else [package_root])
    env = {**os.environ, "PYTHONPATH": python_path}
    try:
        return start_child(command, subprocess.PIPE, subprocess.PIPE, env)
    except OSError as exc:
        raise VoiceError(f"the process of the voice cannot be started: {exc}") from exc
