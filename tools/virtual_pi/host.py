"""Boots the image, carries out the guest's requests to the host, and writes the transcript.

host.py IMAGE KERNEL INITRD DTB TRANSCRIPT
"""

from __future__ import annotations

import datetime
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A boot with all its checks took ten to thirty minutes here.
_BOOT_TIMEOUT_S = 5400.0
_APPEND = "root=/dev/vda rw console=ttyAMA0 systemd.show_status=0 quiet"
_MARK = "LAB "
_CUT, _DONE, _PRESS = "cut", "done", "press"
_HEAD = """\
# A virtual Raspberry Pi

The output of the last run of `sudo ./tools/virtual-pi`. It installs SeeAloud with
`scripts/install-pi` into an arm64 Debian 13 in QEMU, with the real unit under real systemd. The
first camera is a v4l2loopback that shows a photograph with sensor noise, and freezes once; the
second one, which is unplugged, is the kernel's vivid with its test pattern, which is refused as
unlike all training pictures. The sound card is snd-aloop; QEMU generates the edges of the button
at GPIO 3. It is about thirty times slower than a Raspberry Pi, so this proves function and says
nothing about speed. For the same reason systemd's time limits were longer
(`tools/virtual_pi/slow.conf`) and the voice spoke four times as fast. Seconds in brackets are
waiting times.
"""


@dataclass(frozen=True)
class Files:
    """What a machine is made of."""

    image: Path
    kernel: Path
    initrd: Path
    dtb: Path

    @property
    def monitor(self) -> Path:
        """The socket on which QEMU takes commands."""
        return self.image.with_suffix(".monitor")

    @property
    def serial(self) -> Path:
        """File with the console's output."""
        return self.image.with_suffix(".serial.log")


class Machine:
    """One run of QEMU, which ends by itself when it takes too long."""

    def __init__(self, files: Files) -> None:
        self._files = files
        files.monitor.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a76", "-smp", "3"),
                *("-m", "2G", "-accel", "tcg,thread=multi", "-kernel", str(files.kernel)),
                *("-initrd", str(files.initrd), "-dtb", str(files.dtb), "-append", _APPEND),
                *("-drive", f"file={files.image},format=raw,if=virtio,cache=writeback"),
                *("-display", "none", "-no-reboot", "-nic", "none", "-serial", "stdio"),
                *("-monitor", f"unix:{files.monitor},server,nowait"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._limit = threading.Timer(_BOOT_TIMEOUT_S, self._process.kill)
        self._limit.daemon = True
        self._limit.start()

    def lines(self) -> Iterator[str]:
        """Yield the lines of the guest's driver."""
        assert self._process.stdout is not None
        with self._files.serial.open("a", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                log.flush()
                text = line.strip("\r\n\0")
                if _MARK in text:
                    yield text.partition(_MARK)[2]

    def press(self) -> None:
        """Pulse the GPIO line of the power button, which the guest has for its own."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._files.monitor))
            monitor.recv(4096)
            monitor.sendall(b"system_powerdown\n")
            time.sleep(1)

    def cut_power(self) -> None:
        """Kill it, as a power cut does."""
        self._limit.cancel()
        self._process.kill()
        self._process.wait()


def drive(files: Files) -> list[str]:
    """Return the guest's lines of both boots."""
    said: list[str] = []
    files.serial.unlink(missing_ok=True)
    for _ in range(2):
        machine = Machine(files)
        try:
            for line in machine.lines():
                print(line, flush=True)
                said.append(line)
                if line == _PRESS:
                    machine.press()
                if line in (_CUT, _DONE):
                    break
        finally:
            machine.cut_power()
        if not said or said[-1] != _CUT:
            break
        said[-1] = "(the power is cut: QEMU is killed; then the same image is booted again)"
    return said


def main(arguments: list[str]) -> int:
    """Drive the machine and write the transcript; 0 when nothing failed."""
    transcript = Path(arguments.pop())
    began_s = time.monotonic()
    said = drive(Files(*map(Path, arguments)))
    failed = sum(line.startswith("FAILED") for line in said)
    passed = sum(line.startswith("ok ") for line in said)
    is_good = bool(said) and said[-1] == _DONE and not failed
    results = [line for line in said if line not in (_PRESS, _DONE)]
    lines = "\n".join(line.rstrip() for line in results)
    transcript.write_text(
        f"{_HEAD}\n{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, "
        f"{(time.monotonic() - began_s) / 60:.0f} minutes: "
        f"{'everything was shown' if is_good else 'NOT everything was shown'}; "
        f"{passed} checks passed, {failed} failed.\n\n```\n{lines}\n```\n",
        encoding="utf-8",
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
