"""What a process and its children send over the network, recorded by strace."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

_DEADLINE_S = 30.0
_POLL_S = 0.05
# Every call that opens a way out or sends to an address; replies to a peer need no address.
_CALLS = "connect,sendto,sendmsg,sendmmsg"
_FAMILY = re.compile(r"sa_family=(AF_\w+)")
_INTERNET = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"'
)
# Sockets that reach this machine's own processes and kernel only.
_LOCAL_FAMILIES = {"AF_UNIX", "AF_NETLINK", "AF_UNSPEC"}


@cache
def _why_not() -> str:
    """Return why processes cannot be traced here, or an empty text."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt install strace)"
    tried = subprocess.run(
        ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={_CALLS}", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )
    return "" if tried.returncode == 0 else f"strace does not work here: {tried.stderr.strip()}"


@dataclass(frozen=True)
class NetworkTrace:
    """The calls of one process tree that is started with `prefix` before its command."""

    file: Path

    @property
    def prefix(self) -> list[str]:
        """The command before the traced one; skips the test where tracing is impossible."""
        if reason := _why_not():
            pytest.skip(reason)
        # -D: the started process is the traced one, so signals and exit code are its own.
        options = ["-D", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        return ["strace", *options, "-o", str(self.file), "--"]

    def peers(self) -> set[str]:
        """Return every address beyond this machine's own sockets, as "host:port" or its family.

        Call it after the end of the traced process.
        """
        found = set()
        for line in self._complete().splitlines():
            for family in _FAMILY.findall(line):
                if family in _LOCAL_FAMILIES:
                    continue
                internet = _INTERNET.search(line)
                found.add(f"{internet[2]}:{internet[1]}" if internet else family)
        return found

    def _complete(self) -> str:
        """Return the record once the tracer, which outlives the traced process, has written it."""
        deadline_s = time.monotonic() + _DEADLINE_S
        while _is_written_to(self.file):
            assert time.monotonic() < deadline_s, "strace does not end"
            time.sleep(_POLL_S)
        return self.file.read_text(encoding="utf-8", errors="replace")


def _is_written_to(file: Path) -> bool:
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.samefile(file):
                return True
        except OSError:  # a process of another user, or one that has just ended
            continue
    return False
