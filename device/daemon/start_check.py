"""Whether a daemon with these settings can start, as far as that can be known without starting it.

Invariant: what is found here is what would end the start. A part that is away and may come back
(camera, broker, loudspeaker, button) ends no start, so it is not looked for; ``seealoud doctor``
does that.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from seealoud.device.bundles.store import BundleStore
from seealoud.device.client_limits import listening_error
from seealoud.device.errors import BundleError, ConfigError
from seealoud.device.health.settings import MetricsSettings
from seealoud.device.mqtt.broker import tls_context
from seealoud.device.mqtt.settings import MqttSettings
from seealoud.device.settings.paths import directories
from seealoud.device.settings.schema import Settings
from seealoud.device.settings_base import split_address
from seealoud.device.vision.bundle import load_bundle


def start_problems(settings: Settings) -> list[str]:
    """Return why a daemon with these settings would not start, one line for each reason."""
    store = BundleStore(directories().bundles)
    checks: list[tuple[str, Callable[[], object]]] = [
        ("captioner.bundle", lambda: load_bundle(store.find(settings.captioner.bundle))),
        ("mqtt", lambda: _check_mqtt(settings.mqtt)),
        ("metrics", lambda: _check_metrics(settings.metrics)),
    ]
    problems = []
    for key, check in checks:
        try:
            check()
        except (BundleError, ConfigError) as exc:
            problems.append(f"{key}: {' '.join(str(exc).split())}")
    return problems


def _check_mqtt(settings: MqttSettings) -> None:
    """Read the files of the connection, as the start does."""
    if settings.is_on and (tls := settings.broker_settings().tls) is not None:
        tls_context(tls)


def _check_metrics(settings: MetricsSettings) -> None:
    """Listen for a moment. A port in use is not an error: a running daemon has it."""
    if not settings.is_on:
        return
    found = listening_error(split_address(settings.address))
    if found is not None and found.errno != errno.EADDRINUSE:
        raise ConfigError(f"cannot be served on {settings.address}: {found.strerror or found}")
