"""The client's side of one Piper process: it is started, read by two threads, and killed.

Invariant: when the process ends, every wait for it ends with an error.
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
        command: what to run; it speaks `device.speech.protocol` on its stdin and stdout.

    Raises:
        VoiceError: the process cannot be started at all.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._inboxes: dict[int, Inbox] = {}
        self._ready: Ready | None = None
        self._failure = ""
        # Set when the process is ready or will never be.
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
        """The process's id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process can still be asked for speech."""
        return not self._has_ended.is_set() and self._process.poll() is None

    def wait_ready(self, timeout_s: float, is_cancelled: Callable[[], bool]) -> Ready | None:
        """Return the message that the voice is loaded, or None when cancelled meanwhile.

        Raises:
            VoiceError: the process ended instead.
            TimeoutError: it was not ready in time.
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
        """Send a request; return where its replies arrive, None being the process's end.

        Raises:
            VoiceError: the process accepts no more requests.
        """
        inbox: Inbox = queue.SimpleQueue()
        with self._lock:
            self._inboxes[request.id] = inbox
            if self._has_ended.is_set():
                inbox.put(None)
        self._write(request)
        return inbox

    def forget(self, request_id: int, *, is_finished: bool) -> None:
        """Take no more replies to this request; unless finished, have its synthesis stopped."""
        with self._lock:
            self._inboxes.pop(request_id, None)
        if not is_finished and self.is_alive:
            try:
                self._write(CancelRequest(request_id))
            except VoiceError as exc:
                _LOGGER.debug("Request %d needs no cancelling: %s", request_id, exc)

    def end_reason(self) -> str:
        """Return why the process ended, if it reported that; call it only after the end."""
        self._threads[1].join(KILL_TIMEOUT_S)
        try:
            code: int | str = self._process.wait(KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = "still running"
        reason = self._failure or " | ".join(self._stderr_lines) or "it gave no reason"
        return f"{reason} (exit code {code})"

    def stop(self) -> None:
        """Kill the process and wait until it and its threads are gone; may be called again."""
        # It has nothing to save, and synthesis cannot be interrupted otherwise.
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
        except (OSError, ValueError) as exc:  # ValueError: closed by stop()
            # Half a line may have been written: nothing after it could be understood.
            self._process.kill()
            raise VoiceError(f"the voice's process accepts no more text: {exc}") from exc

    def _read_replies(self) -> None:
        decoder = ReplyDecoder()
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stdout:
                while data := stdout.read(_READ_BYTES):
                    for reply in decoder.feed(data):
                        self._deliver(reply)
        except (OSError, ValueError) as exc:
            self._failure = f"its output cannot be understood: {exc}"
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
    # The child finds this package wherever we found it, also in a checkout that is not installed.
    package_root = str(Path(__file__).parents[3])
    inherited = os.environ.get("PYTHONPATH")
    python_path = os.pathsep.join([package_root, inherited] if inherited else [package_root])
    env = {**os.environ, "PYTHONPATH": python_path}
    try:
        return start_child(command, subprocess.PIPE, subprocess.PIPE, env)
    except OSError as exc:
        raise VoiceError(f"the voice's process cannot be started: {exc}") from exc
