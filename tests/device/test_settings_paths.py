"""Where files lie, by systemd's and XDG's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from seealoud.device.settings.paths import config_candidates, directories, socket_candidates
from seealoud.device.settings_base import find_credential

HOME = {"HOME": "/home/ann"}
XDG = {
    **HOME,
    "XDG_CONFIG_HOME": "/x/config",
    "XDG_STATE_HOME": "/x/state",
    "XDG_RUNTIME_DIR": "/run/user/7",
}
SYSTEMD = {
    **XDG,
    "CONFIGURATION_DIRECTORY": "/etc/seealoud",
    "STATE_DIRECTORY": "/var/lib/seealoud",
    "RUNTIME_DIRECTORY": "/run/seealoud",
}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            HOME,
            (
                "/home/ann/.config/seealoud",
                "/home/ann/.local/state/seealoud",
                "/home/ann/.local/state/seealoud/run",
            ),
        ),
        (XDG, ("/x/config/seealoud", "/x/state/seealoud", "/run/user/7/seealoud")),
        (SYSTEMD, ("/etc/seealoud", "/var/lib/seealoud", "/run/seealoud")),
    ],
    ids=["nothing set", "XDG", "systemd before XDG"],
)
def test_directories(environ, expected):
    found = directories(environ)
    assert (found.config, found.state, found.runtime) == tuple(map(Path, expected))


def test_relative_xdg_directories_are_passed_over():
    environ = {**HOME, "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run"}
    assert directories(environ) == directories(HOME)


def test_of_several_systemd_directories_the_first_is_ours():
    environ = {**HOME, "STATE_DIRECTORY": "/var/lib/seealoud/attic:/var/lib/other"}
    assert directories(environ).state == Path("/var/lib/seealoud/attic")


def test_files_in_them():
    found = directories(SYSTEMD)
    assert found.state_file == Path("/var/lib/seealoud/state.json")
    assert found.socket == Path("/run/seealoud/seealoud.sock")


def test_the_command_line_looks_for_the_system_s_daemon_as_well():
    assert socket_candidates(XDG) == (
        Path("/run/user/7/seealoud/seealoud.sock"),
        Path("/run/seealoud/seealoud.sock"),
    )


def test_the_settings_are_looked_for_in_this_order():
    environ = {**XDG, "CONFIGURATION_DIRECTORY": "/etc/seealoud/attic"}
    assert [str(path) for path in config_candidates(environ)] == [
        "/etc/seealoud/attic/seealoud.toml",
        "/x/config/seealoud/seealoud.toml",
        "/etc/seealoud/seealoud.toml",
    ]
    assert len(config_candidates(SYSTEMD)) == 2  # the same place is not named twice


def test_credentials_of_systemd(tmp_path):
    (tmp_path / "mqtt-password").write_text("hunter2")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_credential("mqtt-password", environ) == tmp_path / "mqtt-password"
    assert find_credential("other", environ) is None
    assert find_credential("mqtt-password", {}) is None
