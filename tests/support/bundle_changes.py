"""Changes the installed bundles without an end, in a process of its own that a test kills."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from support.captions import caption
from support.daemon import BEGAN_AT
from support.tiny_bundle import TINY_BUNDLE

from seealoud.device.bundles.install import InstallRules, install
from seealoud.device.bundles.store import BundleStore
from seealoud.device.bundles.trial import BundleTrial
from seealoud.device.events import Answered
from seealoud.device.records import Cause
from seealoud.device.vision import bundle as bundle_module

RULES = InstallRules(is_unsigned_allowed=True, is_older_allowed=True)


def answer(*, has_caption: bool = True) -> Answered:
    """Return an answer of the daemon, as one that described a picture gives it."""
    found = caption("a dog") if has_caption else None
    return Answered(at=BEGAN_AT, text="x", cause=Cause.CLI, caption=found)


def ship_tiny_bundle(put: Callable[[object, str, object], None] = setattr) -> None:
    """Make the tiny bundle the one that ships."""
    put(bundle_module, "_SHIPPED_FOLDER", TINY_BUNDLE.parent)
    put(bundle_module, "_default_name", lambda: TINY_BUNDLE.name)


def change_for_ever(folder: Path, sources: list[Path], began: Connection) -> None:
    """Install, use, start, confirm and remove bundles, again and again; first report the begin."""
    ship_tiny_bundle()
    began.send(None)
    store = BundleStore(folder)
    while True:
        for source in sources:
            name = install(str(source), store, RULES).name
            store.use(name)
            trial = BundleTrial(store)
            trial.begin(None)
            trial.accept(answer())
            for other in set(store.names()) - {name}:
                store.remove(other)
