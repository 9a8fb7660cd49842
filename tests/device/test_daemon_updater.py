"""Updates: looked for once a day, installed when asked for, tried, and given up with a reason."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.bundle_changes import answer, ship_tiny_bundle
from support.bundle_packages import NEWER, OLDER, OLDEST, own_key
from support.daemon import scene
from support.daemon_process import WAIT_S, DaemonProcess
from support.mosquitto import running_mosquitto
from support.mqtt_home import Home, connected_home
from support.picture_stream import PictureStream
from support.update_feed import UpdateServer, update_server

from seealoud.device import requests as r
from seealoud.device.bundles.feed import UpdateChanged, bundle_in_use
from seealoud.device.bundles.store import BundleStore
from seealoud.device.bundles.trial import BundleTrial
from seealoud.device.clock import SystemClock
from seealoud.device.daemon import sentences
from seealoud.device.daemon.updater import Updater, UpdateSide
from seealoud.device.errors import RequestError
from seealoud.device.events import Event
from seealoud.device.records import Cause, Utterance
from seealoud.device.settings.paths import Directories
from seealoud.device.settings.schema import Settings

NEWEST = "2099-03-01T00:00:00+00:00"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[UpdateServer]:
    with update_server(tmp_path / "www") as server:
        yield server


# ------------------------------------------------------------ the updater alone


class Bench:
    """An updater, and what it uses of a daemon: the choice of bundle is followed at once."""

    def __init__(self, folder: Path, server: UpdateServer) -> None:
        directories = Directories(folder / "config", folder / "state", folder / "run")
        self.store = BundleStore(directories.bundles)
        self.trial = BundleTrial(self.store)
        self.trial.begin(None)
        self.settings = Settings()
        self.said: list[str] = []
        self.states: list[UpdateChanged] = []
        self.key = own_key(folder)
        (folder / "config").mkdir()
        (folder / "mine-keys").rename(folder / "config" / "bundle-keys")
        side = UpdateSide(
            lambda: self.settings,
            self,  # type: ignore[arg-type]
            self._said,
            self._published,
            SystemClock(),
        )
        feed = server.feed.replace("://", "://ann:secret@")
        self.updater = Updater(feed, directories, side)

    def reload(self, settings: Settings) -> None:
        self.trial.begin(settings.captioner.bundle)

    def _said(self, utterance: Utterance) -> None:
        self.said.append(utterance.text)

    def _published(self, event: Event) -> None:
        assert isinstance(event, UpdateChanged)
        assert "secret" not in str(event)
        self.states.append(event)

    def wait(self, is_so: Callable[[], bool]) -> None:
        end_s = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < end_s, (self.said, self.states[-1:])
            time.sleep(0.01)

    def order(self) -> UpdateChanged:
        """Ask for an update; return the state when that has ended, or when the trial has begun."""
        before = len(self.states)
        self.updater.order(Cause.MQTT)
        self.wait(
            lambda: (
                len(self.states) > before
                and not self.updater._is_installing
                and self.states[-1].percentage is None
            )
        )
        return self.states[-1]


@pytest.fixture
def bench(tmp_path: Path, server: UpdateServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    ship_tiny_bundle(monkeypatch.setattr)
    bench = Bench(tmp_path, server)
    yield bench
    bench.updater.close()


def test_an_update_is_spoken_of_however_it_ends(bench: Bench, server: UpdateServer) -> None:
    shipped = bundle_in_use(bench.store, None).bundle
    bench.updater.start()
    bench.wait(lambda: bool(bench.states))
    assert (bench.states[0].installed, bench.states[0].latest) == (shipped, None)

    state = bench.order()  # there is no feed yet
    assert bench.said == [sentences.NO_FEED]
    assert "404" in state.problem

    server.announce("old", OLDEST.replace("2026", "2020"), bench.key)
    state = bench.order()
    assert bench.said.pop() == sentences.NO_UPDATE
    assert (state.installed, state.latest, state.problem) == (shipped, shipped, "")

    new = server.announce("new", OLDER, bench.key)
    stranger = own_key(server.folder.parent, "stranger")
    (server.folder / "new.zip").unlink()
    state = bench.order()
    assert bench.said.pop() == sentences.NOT_UPDATED
    assert "404" in state.problem
    assert (state.latest, state.summary) == (new, "About new.")

    server.announce("foreign", NEWER, stranger, bench.key)
    state = bench.order()
    assert bench.said.pop() == sentences.NOT_UPDATED
    assert "not signed" in state.problem
    assert bench.store.names() == []

    good = server.announce("good", NEWEST, bench.key)
    state = bench.order()
    assert (state.installed, state.is_in_progress, state.problem) == (good, True, "")
    percents = [x.percentage for x in bench.states if x.percentage is not None]
    assert 0 in percents
    assert 90 in percents
    with pytest.raises(RequestError, match="already in progress"):
        bench.updater.order(Cause.CLI)
    bench.trial.accept(answer())
    bench.wait(lambda: not bench.states[-1].is_in_progress)
    assert bench.said.pop() == sentences.UPDATED
    assert bench.states[-1].installed == bench.states[-1].latest == good


def test_an_update_that_was_announced_as_another_one_is_refused(
    bench: Bench, server: UpdateServer
) -> None:
    """A server cannot hand out an older signed bundle under the name of a newer one."""
    bench.updater.start()
    older = server.announce("older", OLDER, bench.key)
    newest = server.announce("newest", NEWEST, bench.key)
    (server.folder / "older.zip").replace(server.folder / "newest.zip")
    state = bench.order()
    assert f"is {older}, but {newest} was announced" in state.problem
    assert bench.store.names() == []


def test_an_update_is_refused_while_the_settings_name_a_bundle(bench: Bench) -> None:
    bench.settings = Settings.model_validate({"captioner": {"bundle": "mine"}})
    with pytest.raises(RequestError, match=r"captioner\.bundle"):
        bench.updater.order(Cause.MQTT)


# ------------------------------------------------------------ the real daemon


SETTINGS = """
device.id = "kitchen"
camera.source = "{camera}"
narration.is_on = false
picture.is_gate_on = false
speech.output = "none"
captioner.updates = "{feed}"
mqtt = {{is_on = true, host = "127.0.0.1", port = {port}}}
"""


def wait_for_update(home: Home, **wanted: Any) -> dict[str, Any]:
    """Return the state that Home Assistant shows when it has these values."""
    end_s = time.monotonic() + WAIT_S
    while True:
        state = {**json.loads(home.state("update")), **home.attributes("update")}
        if wanted.items() <= state.items():
            return state
        assert time.monotonic() < end_s, (state, wanted)
        home._take(0.1)


@contextlib.contextmanager
def kitchen(folder: Path, server: UpdateServer, port: int) -> Iterator[tuple[DaemonProcess, Home]]:
    """Run the daemon, and somebody who knows its discovery message."""
    stream = PictureStream(scene(1).repeat(4, axis=0).repeat(4, axis=1))
    environ = {"SEEALOUD_BUNDLE": "", "CONFIGURATION_DIRECTORY": str(folder / "config")}
    settings = SETTINGS.format(camera=stream.address, feed=server.feed, port=port)
    daemon = DaemonProcess(folder, settings, environ)
    try:
        daemon.wait_ready()
        with connected_home(port) as home:
            home.discover("homeassistant/device/kitchen/config")
            yield daemon, home
    finally:
        daemon.close()
        stream.close()


def test_the_daemon_offers_installs_refuses_and_takes_back_an_update(
    tmp_path: Path, server: UpdateServer
) -> None:
    key, stranger = own_key(tmp_path), own_key(tmp_path, "stranger")
    (tmp_path / "config").mkdir()
    (tmp_path / "mine-keys").rename(tmp_path / "config" / "bundle-keys")
    one = server.announce("one", OLDER, key)
    with running_mosquitto(tmp_path / "broker") as broker:
        with kitchen(tmp_path, server, broker.port) as (daemon, home):
            before = wait_for_update(home, latest_version=one, in_progress=False)
            assert before["release_summary"] == "About one."
            assert before["installed_version"] != one
            assert server.seen == ["/feed.json"]  # nothing else was fetched

            server.may_send.clear()  # while it waits, the device does its work
            home.command("update", "install")
            wait_for_update(home, in_progress=True, installed_version=before["installed_version"])
            assert daemon.ask(r.Describe(id="meanwhile")).is_accepted
            daemon.wait_log(lambda line: line.get("id") == "meanwhile" and "answered" in str(line))
            server.may_send.set()
            wait_for_update(home, in_progress=True, installed_version=one)
            assert daemon.ask(r.Describe()).is_accepted
            wait_for_update(home, in_progress=False, installed_version=one, problem="")

            two = server.announce("two", NEWER, stranger, key)
            home.command("update", "install")
            refused = wait_for_update(home, latest_version=two, in_progress=False)
            assert "not signed by a key that is trusted here" in refused["problem"]
            assert refused["installed_version"] == one

            three = server.announce("three", NEWEST, key)
            home.command("update", "install")
            wait_for_update(home, installed_version=three, in_progress=True)
            daemon.stop(signal.SIGKILL)
        with kitchen(tmp_path, server, broker.port) as (daemon, home):
            back = wait_for_update(home, installed_version=one, in_progress=False)
            assert f"{three} is not used" in back["problem"]
            assert daemon.stop()[0] == 0
