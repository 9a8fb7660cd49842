"""A web server with a signed feed of updates, as ``docs/bundles.md`` describes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.bundle_packages import dated_bundle, packed

from seealoud.device.bundles.feed import Announcement, described, write_feed


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


class UpdateServer:
    """Serves a folder; packages only while ``may_send`` is set."""

    def __init__(
        self, folder: Path, address: str, seen: list[str], may_send: threading.Event
    ) -> None:
        self.folder = folder
        self.feed = f"{address}/feed.json"
        self.seen = seen
        self.may_send = may_send

    def announce(self, name: str, created_at: str, key: Path, feed_key: Path | None = None) -> str:
        """Pack a new bundle, and announce it; return the name under which it is installed."""
        folder = dated_bundle(self.folder.parent / name, created_at, key)
        packed(folder).rename(self.folder / f"{name}.zip")
        found = described(folder, f"{name}.zip", f"About {name}.")
        self.put(found, feed_key or key)
        return found.bundle

    def put(self, announcement: Announcement, key: Path) -> None:
        (self.folder / "feed.json").write_bytes(write_feed(announcement, key))


@contextlib.contextmanager
def update_server(folder: Path) -> Iterator[UpdateServer]:
    """Run the server."""
    folder.mkdir()
    seen: list[str] = []
    may_send = threading.Event()
    may_send.set()

    class Noting(_Handler):
        def do_GET(self) -> None:
            seen.append(self.path)
            if self.path.endswith(".zip"):
                assert may_send.wait(60.0)
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Noting, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield UpdateServer(folder, f"http://127.0.0.1:{server.server_port}", seen, may_send)
    finally:
        may_send.set()
        server.shutdown()
        server.server_close()
        thread.join()
