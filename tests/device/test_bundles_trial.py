"""A bundle on trial: kept once it works, otherwise given up, whatever ended the daemon."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.bundle_changes import RULES, answer, change_for_ever, ship_tiny_bundle
from support.bundle_packages import NEWER, OLDER, dated_bundle
from support.daemon import scene
from support.daemon_process import WAIT_S, DaemonProcess
from support.picture_stream import PictureStream
from support.tiny_bundle import TINY_BUNDLE, flip_byte

from seealoud.device.bundles.install import install, try_bundle
from seealoud.device.bundles.store import BundleChoice, BundleStore, TrialStage
from seealoud.device.bundles.trial import HEALTHY_AFTER_S, BundleTrial
from seealoud.device.errors import BundleError
from seealoud.device.requests import Describe
from seealoud.device.vision.bundle import load_bundle
from seealoud.device.vision.manifest import ENCODER, MANIFEST

# One installation takes 0.1 to 0.2 s here.
LONGEST_S = 0.3


class Device:
    """The bundles of a device on which the tiny bundle ships; two others are installed."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.store = BundleStore(folder / "state" / "bundles")
        self.sources = [
            dated_bundle(folder / name, date) for name, date in (("a", OLDER), ("b", NEWER))
        ]
        self.a, self.b = (install(str(x), self.store, RULES).name for x in self.sources)

    def starts(self) -> tuple[BundleTrial, str | None]:
        """Start a daemon; return the bundle that it uses, None for the shipped one."""
        trial = BundleTrial(self.store, lambda: self.now_s)
        path = trial.begin(None)
        load_bundle(path)
        return trial, None if path == TINY_BUNDLE else path.name

    def confirmed(self, name: str) -> None:
        self.store.use(name)
        trial, used = self.starts()
        assert used == name
        trial.accept(answer())


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    ship_tiny_bundle(monkeypatch.setattr)
    return Device(tmp_path)


# ------------------------------------------------------------ the trial


def test_a_bundle_that_captions_a_picture_is_kept(device: Device) -> None:
    device.confirmed(device.a)
    assert device.store.choice() == BundleChoice(current=device.a)
    for _ in range(3):
        assert device.starts()[1] == device.a


def test_a_bundle_is_kept_after_some_time_without_a_camera(device: Device) -> None:
    device.store.use(device.a)
    trial, _ = device.starts()
    trial.started()
    trial.accept(answer(has_caption=False))
    for now_s, is_on in ((HEALTHY_AFTER_S - 1, True), (HEALTHY_AFTER_S, False)):
        device.now_s = now_s
        trial.tick()
        assert trial.is_on == is_on


def test_a_start_after_one_that_never_worked_goes_back_and_says_so(device: Device) -> None:
    device.confirmed(device.a)
    device.store.use(device.b)
    assert device.starts()[1] == device.b  # and is killed
    trial, used = device.starts()
    assert used == device.a
    assert device.b in trial.report
    assert device.a in trial.report
    assert device.starts()[0].report == ""  # said once


def test_a_trial_that_was_ended_on_purpose_is_tried_again(device: Device) -> None:
    device.store.use(device.a)
    device.starts()[0].pause()
    assert device.store.choice().trial is TrialStage.WAITING
    assert device.starts()[1] == device.a


def test_going_back_never_leads_to_another_bundle_on_trial(device: Device) -> None:
    device.store.use(device.a)
    device.store.use(device.b)
    assert device.store.go_back().current is None
    device.confirmed(device.a)
    device.store.use(device.b)
    device.store.use(device.b)
    assert device.store.go_back().current == device.a


def test_a_second_reload_during_a_trial_is_no_failure(device: Device) -> None:
    device.store.use(device.a)
    trial, _ = device.starts()
    assert trial.begin(None).name == device.a
    assert not trial.report


def test_another_choice_ends_a_trial(device: Device) -> None:
    device.store.use(device.a)
    trial, _ = device.starts()
    device.store.use(device.b)
    assert trial.begin(None).name == device.b
    device.store.use(None)
    trial.begin(None)
    assert not trial.is_on
    trial.accept(answer())
    assert device.store.choice().current is None


def test_a_missing_bundle_and_an_unreadable_choice_lead_to_a_whole_one(device: Device) -> None:
    device.confirmed(device.a)
    device.confirmed(device.b)
    shutil.rmtree(device.store.path(device.b))
    assert device.starts()[1] == device.a
    choice = device.store.folder / "choice.json"
    for content in (b"", b"\x00" * 90, b'{"current": "../../etc"}', b"{" * 1000):
        choice.write_bytes(content)
        assert device.starts()[1] is None
    choice.unlink()
    os.mkfifo(choice)
    assert device.starts()[1] is None


def test_a_disk_that_cannot_be_written_starts_no_trial(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.confirmed(device.a)
    device.store.use(device.b)

    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("seealoud.device.bundles.store.write_atomically", fail)
    trial, used = device.starts()
    assert used == device.a
    assert not trial.is_on
    assert trial.begin(None).name == device.a


def test_a_bundle_that_the_settings_name_comes_first_and_is_never_given_up(device: Device) -> None:
    device.store.use(device.a)
    trial = BundleTrial(device.store)
    assert trial.begin(str(device.sources[1])) == device.sources[1]
    assert not trial.go_back("it failed")
    assert device.store.choice().trial is TrialStage.WAITING


def test_a_bundle_in_use_or_needed_to_go_back_is_not_removed(device: Device) -> None:
    device.confirmed(device.a)
    device.store.use(device.b)
    for name, why in ((device.b, "in use"), (device.a, "needed")):
        with pytest.raises(BundleError, match=why):
            device.store.remove(name)
    device.starts()[0].accept(answer())
    device.store.remove(device.a)
    assert device.store.names() == [device.b]
    assert device.store.choice() == BundleChoice(current=device.b)
    flip_byte(device.store.path(device.b) / ENCODER, 99)
    with pytest.raises(BundleError):
        device.store.use(device.b)


def test_only_one_change_at_a_time(device: Device) -> None:
    with device.store.changing(), pytest.raises(BundleError, match="is being changed"):
        device.store.remove(device.a)


# ------------------------------------------------------------ power cuts


def test_a_power_cut_at_any_moment_leaves_a_whole_bundle(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL of a real process at 50 random moments."""
    # So that the server, from which every process is forked, finds what it imports once.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "support.bundle_changes"])
    rng = random.Random(20261128)
    seen: set[str | None] = set()
    left = 0
    for _ in range(50):
        ours, theirs = context.Pipe(duplex=False)
        changes = (device.store.folder, device.sources, theirs)
        process = context.Process(target=change_for_ever, args=changes)
        process.start()
        theirs.close()
        assert ours.poll(WAIT_S), "it did not begin"
        process.join(rng.uniform(0.0, LONGEST_S))
        assert process.exitcode is None, "it ended by itself"
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        ours.close()
        left += bool(list(device.store.folder.glob(".unfinished-*")))
        for name in device.store.names():
            load_bundle(device.store.path(name))  # what has a name is whole
        trial, used = device.starts()
        seen.add(used)
        trial.pause()
    assert left >= 5, "no process was killed while it wrote"
    assert len(seen) >= 2
    try_bundle(device.store.find(None))
    with device.store.changing():
        assert not list(device.store.folder.glob(".unfinished-*"))


# ------------------------------------------------------------ the real daemon


SETTINGS = """
camera.source = "{url}"
narration.is_on = false
picture.is_gate_on = false
speech.output = "none"
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[], DaemonProcess]]:
    """Starts daemons whose camera shows one picture; waits until each is ready."""
    stream = PictureStream(scene(1).repeat(4, axis=0).repeat(4, axis=1))
    daemons: list[DaemonProcess] = []

    def start() -> DaemonProcess:
        settings = SETTINGS.format(url=stream.address)
        daemons.append(DaemonProcess(tmp_path, settings, {"SEEALOUD_BUNDLE": ""}))
        daemons[-1].wait_ready()
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()
    stream.close()


def test_the_daemon_tries_a_bundle_keeps_it_or_goes_back(
    tmp_path: Path, run: Callable[[], DaemonProcess]
) -> None:
    store = BundleStore(tmp_path / "state" / "bundles")
    good, new = (
        install(str(dated_bundle(tmp_path / name, date)), store, RULES).name
        for name, date in (("good", OLDER), ("new", NEWER))
    )
    store.update(lambda _: BundleChoice(current=good))
    store.use(new)
    on_trial = store.choice()

    daemon = run()
    assert store.choice().trial is TrialStage.BEGUN
    assert daemon.stop()[0] == 0
    assert store.choice() == on_trial  # ended on purpose

    daemon = run()
    assert store.choice().trial is TrialStage.BEGUN
    daemon.stop(signal.SIGKILL)

    daemon = run()
    assert store.choice() == BundleChoice(current=good)
    daemon.wait_log(lambda line: new in str(line) and "is not used" in str(line))

    store.use(new)
    flip_byte(store.path(new) / MANIFEST, 99)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_notified("RELOADING=1")
    daemon.wait_notified("READY=1")
    assert store.choice() == BundleChoice(current=good)

    flip_byte(store.path(new) / MANIFEST, 99)
    store.use(new)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_notified("RELOADING=1")
    daemon.wait_notified("READY=1")
    assert store.choice().trial is TrialStage.BEGUN
    assert daemon.ask(Describe()).is_accepted
    daemon.wait_log(lambda line: new in str(line) and "is kept" in str(line))
    assert daemon.stop()[0] == 0
    assert store.choice().model_copy(update={"previous": None}) == BundleChoice(current=new)
