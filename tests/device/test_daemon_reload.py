"""Another bundle under a running daemon: loaded only where it changed, refused with a reason."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.bundle_changes import RULES, ship_tiny_bundle
from support.bundle_packages import NEWER, OLDER, dated_bundle
from support.daemon import BEGAN_AT
from support.tiny_bundle import TINY_BUNDLE, change_manifest, copy_bundle, flip_byte

from seealoud.device.bundles.install import install
from seealoud.device.bundles.store import BundleChoice, BundleStore
from seealoud.device.bundles.trial import BundleTrial
from seealoud.device.clock import ReplayClock
from seealoud.device.daemon.reload import BundleReload, open_daemon_describer
from seealoud.device.errors import InferenceError
from seealoud.device.events import EventBus, Part, ProblemChanged
from seealoud.device.settings.schema import Settings
from seealoud.device.testing import EventRecorder
from seealoud.device.vision.describe import FrameDescriber
from seealoud.device.vision.manifest import DECODER, ENCODER, MANIFEST


class NotedSights:
    """An observer that keeps what it is to look with."""

    def __init__(self) -> None:
        self.sights: list[FrameDescriber] = []

    def replace_describer(self, sight: FrameDescriber) -> None:
        self.sights.append(sight)


@dataclass
class Bench:
    """A swap over a bundle in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.events, self.observer, bus = EventRecorder(), NotedSights(), EventBus()
        bus.subscribe(self.events)
        self.trial = BundleTrial(BundleStore(self.folder.with_name("bundles")))
        self.first, bundle = open_daemon_describer(self.settings(), self.trial)
        self.reloader = BundleReload(
            self.observer, (bundle, self.settings()), bus, ReplayClock(BEGAN_AT), self.trial
        )

    def settings(self, bundle: str | None = None, **tables: dict[str, object]) -> Settings:
        captioner = {"bundle": bundle or str(self.folder), **tables.pop("captioner", {})}
        return Settings.model_validate({"captioner": captioner, **tables})

    @property
    def loads(self) -> int:
        return len(self.observer.sights)

    @property
    def problems(self) -> list[tuple[Part, bool]]:
        found = [event for event in self.events.events if isinstance(event, ProblemChanged)]
        return [(event.part, event.is_problem) for event in found]

    def close(self) -> None:
        for sight in (self.first, *self.observer.sights):
            sight.close()


@pytest.fixture
def bench(tmp_path: Path):
    bench = Bench(copy_bundle(tmp_path / "bundle"))
    yield bench
    bench.close()


def test_settings_of_other_tables_load_no_bundle(bench: Bench) -> None:
    bench.reloader.reload(bench.settings())
    bench.reloader.reload(bench.settings(narration={"minimum_gap_s": 77}, speech={"rate": 1.5}))
    assert (bench.loads, bench.problems) == (0, [])


@pytest.mark.parametrize(
    ("tables", "logged"),
    [
        ({"captioner": {"threads": 1}}, "captioner.threads"),
        ({"picture": {"is_gate_on": False}}, "picture.is_gate_on"),
    ],
)
def test_settings_of_captioner_and_picture_load_the_bundle_again_and_are_logged(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    tables: dict[str, dict[str, object]],
    logged: str,
) -> None:
    with caplog.at_level(logging.INFO, logger="seealoud.device"):
        bench.reloader.reload(bench.settings(**tables))
        bench.reloader.reload(bench.settings(**tables))
    assert bench.loads == 1
    assert [m for m in caplog.messages if "loading the bundle again" in m] == [
        f"loading the bundle again, changed: {logged}"
    ]


def test_new_files_are_loaded_once_and_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    change_manifest(bench.folder, {"name": "another"})
    with caplog.at_level(logging.INFO, logger="seealoud.device"):
        bench.reloader.reload(bench.settings())
        bench.reloader.reload(bench.settings())
    assert (bench.loads, bench.reloader.bundle) == (1, "another")
    assert f"changed: {MANIFEST}" in caplog.text


def test_a_file_swapped_for_one_of_its_size_and_time_is_noticed_and_refused(bench: Bench) -> None:
    path = bench.folder / ENCODER
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    bench.reloader.reload(bench.settings())
    assert (bench.loads, bench.problems) == (0, [(Part.BUNDLE, True)])


def test_a_refused_bundle_is_a_problem_until_its_files_are_good_again(bench: Bench) -> None:
    good = (bench.folder / DECODER).read_bytes()
    (bench.folder / DECODER).write_bytes(b"half a copy")
    name = bench.reloader.bundle
    bench.reloader.reload(bench.settings())
    assert (bench.loads, bench.reloader.bundle) == (0, name)
    (event,) = bench.events.of(ProblemChanged)
    assert isinstance(event, ProblemChanged)
    assert DECODER in event.text
    assert f"{name} stays in use" in event.text

    bench.reloader.reload(
        bench.settings(narration={"minimum_gap_s": 77})
    )  # tried, and refused, again
    assert (Part.BUNDLE, False) not in bench.problems
    (bench.folder / DECODER).write_bytes(good)
    bench.reloader.reload(bench.settings())
    assert (bench.loads, bench.problems[-1]) == (0, (Part.BUNDLE, False))


def test_a_setting_taken_back_ends_the_problem_without_a_load(bench: Bench) -> None:
    bench.reloader.reload(bench.settings("/nowhere"))
    bench.reloader.reload(bench.settings())
    assert (bench.loads, bench.problems) == (0, [(Part.BUNDLE, True), (Part.BUNDLE, False)])


def test_another_folder_with_the_same_files_is_not_loaded_again(
    bench: Bench, tmp_path: Path
) -> None:
    other = copy_bundle(tmp_path / "other")
    bench.reloader.reload(bench.settings(str(other)))
    assert (bench.loads, bench.problems) == (0, [])


# ------------------------------------------------------------ installed bundles


def test_a_start_with_damaged_installed_bundles_uses_the_shipped_one_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_tiny_bundle(monkeypatch.setattr)
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    store = BundleStore(tmp_path / "bundles")
    previous, current = (
        install(str(dated_bundle(tmp_path / date, date)), store, RULES).name
        for date in (OLDER, NEWER)
    )
    store.update(lambda _: BundleChoice(current=current, previous=previous))
    flip_byte(store.path(previous) / ENCODER, 50)
    flip_byte(store.path(current) / DECODER, 50)
    trial, bus, events = BundleTrial(store), EventBus(), EventRecorder()
    bus.subscribe(events)
    describer, bundle = open_daemon_describer(Settings(), trial)
    describer.close()
    assert bundle.path == TINY_BUNDLE
    assert store.choice() == BundleChoice()
    BundleReload(NotedSights(), (bundle, Settings()), bus, ReplayClock(BEGAN_AT), trial)
    (problem,) = [event for event in events.events if isinstance(event, ProblemChanged)]
    assert (problem.part, problem.is_problem) == (Part.BUNDLE, True)
    assert previous in problem.text


def test_a_reload_with_a_bundle_that_fails_its_trial_chooses_the_old_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_tiny_bundle(monkeypatch.setattr)
    monkeypatch.delenv("SEEALOUD_BUNDLE", raising=False)
    store = BundleStore(tmp_path / "bundles")
    name = install(str(dated_bundle(tmp_path / "new", NEWER)), store, RULES).name
    trial, observer = BundleTrial(store), NotedSights()
    describer, bundle = open_daemon_describer(Settings(), trial)
    reloader = BundleReload(
        observer, (bundle, Settings()), EventBus(), ReplayClock(BEGAN_AT), trial
    )
    store.use(name)

    def fail(*_: object, **__: object) -> None:
        raise InferenceError("the runtime failed")

    with monkeypatch.context() as patch:
        patch.setattr(FrameDescriber, "look", fail)
        reloader.reload(Settings())
    assert observer.sights == []
    assert store.choice() == BundleChoice()
    store.use(name)
    reloader.reload(Settings())
    assert len(observer.sights) == 1
    assert trial.is_on
    for sight in (describer, *observer.sights):
        sight.close()
