"""A real Mosquitto on a free loopback port, and a subscriber."""

from __future__ import annotations

import contextlib
import queue
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

HOST = "127.0.0.1"
DEADLINE_S = 15.0
_MISSING = "mosquitto is not installed (apt install mosquitto mosquitto-clients)"


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Broker:
    """A running Mosquitto; ``port`` speaks TLS where certificates were given."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def pause(self) -> None:
        """Stop answering, with every connection left open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE_S)


@contextlib.contextmanager
def running_mosquitto(folder: Path, *lines: str, port: int | None = None) -> Iterator[Broker]:
    """Run Mosquitto with these lines in its configuration; anonymous unless they say otherwise."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(_MISSING)
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "mosquitto.conf", folder / "mosquitto.log"
    # As root it would switch to the user mosquitto, which cannot read pytest's folders.
    head = [f"listener {port} {HOST}", "user root", "log_type all"]
    if not any(line.startswith("persistence ") for line in lines):
        head.append("persistence false")
    if not any(line.startswith("allow_anonymous") for line in lines):
        head.append("allow_anonymous true")
    config.write_text("\n".join([*head, *lines, ""]))
    with log.open("ab") as log_file:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log_file, stderr=log_file)
    broker = Broker(port, process, log)
    try:
        _wait_until_it_listens(broker)
        yield broker
    finally:
        broker.stop()


def _wait_until_it_listens(broker: Broker) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s and broker.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, broker.port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"mosquitto did not start: {broker.log.read_text()}")


def password_lines(folder: Path, user: str, password: str) -> list[str]:
    """Return configuration lines by which only this user may enter."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip(_MISSING)
    file = folder / "passwords"
    subprocess.run([program, "-b", "-c", str(file), user, password], check=True)
    return ["allow_anonymous false", f"password_file {file}"]


@dataclass(frozen=True)
class Certificates:
    """An authority and what it signed: for the server 127.0.0.1 and for a client."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def lines(self, *, needs_client: bool = False) -> list[str]:
        """Return configuration lines for a TLS listener."""
        lines = [f"cafile {self.ca}", f"certfile {self.server}", f"keyfile {self.server_key}"]
        return [*lines, "require_certificate true"] if needs_client else lines


def make_certificates(folder: Path) -> Certificates:
    """Make a certificate authority with the openssl program."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", f"/CN=SeeAloud test authority {folder.name}")  # fmt: skip
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text(f"subjectAltName=IP:{HOST}\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
                "-extfile", f"{name}.ext")  # fmt: skip
    return Certificates(
        *(folder / x for x in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key"))
    )


@dataclass(frozen=True)
class Heard:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    qos: int
    is_retained: bool


@dataclass
class Listener:
    """Subscribes to everything, in paho's own thread, and hands messages over in order."""

    messages: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)

    def next(self, topic_end: str, deadline_s: float = DEADLINE_S) -> Heard:
        """Return the next message on a topic that ends so; others are passed over."""
        end_s = time.monotonic() + deadline_s
        while (left_s := end_s - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                heard = self.messages.get(timeout=left_s)
                if heard.topic.endswith(topic_end):
                    return heard
        raise AssertionError(f"nothing on …{topic_end} within {deadline_s:g} s")

    def drain(self) -> list[Heard]:
        """Return what has arrived by now."""
        heard = []
        while not self.messages.empty():
            heard.append(self.messages.get())
        return heard


@contextlib.contextmanager
def listening(
    broker: Broker, pattern: str = "seealoud/#", session: str | None = None
) -> Iterator[Listener]:
    """Listen to a broker without password and TLS; ready when this returns.

    With a session's name the broker keeps what comes while the client is away.
    """
    listener = Listener()
    is_subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=session,
        clean_session=session is None,
        reconnect_on_failure=False,
    )
    client.on_subscribe = lambda *_: is_subscribed.put(True)
    client.on_message = lambda _c, _u, m: listener.messages.put(
        Heard(m.topic, bytes(m.payload), m.qos, m.retain)
    )
    client.connect(HOST, broker.port)
    client.loop_start()
    try:
        client.subscribe(pattern, qos=1)
        is_subscribed.get(timeout=DEADLINE_S)
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Accept TCP connections on the port that is yielded, and never say a word."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen(16)
        yield int(server.getsockname()[1])
