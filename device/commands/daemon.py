"""The commands that start the daemon, send it requests, and remove what it has published."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from device.commands.report import echo_line, one_line, verbose_option
from device.errors import RequestError

_LOGGER = logging.getLogger(__name__)
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_ON_OFF = click.Choice(["on", "off"])


@click.command("run")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file. Default: $SEEALOUD_CONFIG, then the user's, then /etc/seealoud's.",
)
def run(config: Path | None) -> int:
    """Describe when a button is pressed, and narrate, until SIGTERM or Ctrl-C.

    Control it with `seealoud press`. SIGHUP reloads the settings, SIGUSR1 requests a
    description. The exit code is 0 after SIGTERM or Ctrl-C.
    """
    from device.app import Daemon
    from device.health.log import set_up_daemon_logging
    from device.settings.load import load_settings, retired_lines
    from device.settings.paths import directories

    settings = load_settings(config)
    set_up_daemon_logging(settings.log)
    for line in retired_lines(config):
        _LOGGER.warning("%s", line)
    return Daemon(settings, config, directories()).run()


@click.group("mqtt", no_args_is_help=False, short_help="Manage what the MQTT broker keeps.")
def mqtt() -> None:
    """Manage what the MQTT broker keeps of this device."""


@mqtt.command("forget", short_help="Remove the device from the broker and Home Assistant.")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Settings file. Default: the one of `seealoud run`.",
)
@click.option("--device-id", metavar="ID", help="Another device than the settings' own.")
@verbose_option
def forget_command(config: Path | None, device_id: str | None) -> None:
    """Remove the device from the broker and from Home Assistant.

    The device must be stopped: it announces itself again when it starts.
    """
    from device.mqtt.broker import check_device_id
    from device.mqtt.retained import forget
    from device.settings.load import load_settings

    settings = load_settings(config)
    own_id = device_id and check_device_id(device_id)
    broker = settings.mqtt.broker_settings(own_id or settings.device.id)
    for topic in forget(broker, settings.mqtt.discovery_prefix):
        echo_line(topic)


# ------------------------------------------------------------ press


@click.group("press", no_args_is_help=False, short_help="Send a request to the running daemon.")
def press() -> None:
    """Send a request to the running daemon, as a button does.

    Exit codes: 0 accepted, 10 refused, 11 no daemon is running. The device speaks its answer; it
    is not printed here.
    """


def _asks(name: str, help_text: str) -> Callable[[_Decorated], click.Command]:
    """Turn a function that returns a request's fields, without action and id, into a command."""

    def decorate(function: _Decorated) -> click.Command:
        @functools.wraps(function)
        def send(socket: Path | None, request_id: str, as_json: bool, **values: Any) -> int:
            fields = {"action": name.replace("-", "_"), "id": request_id, **function(**values)}
            return _ask(fields, socket, as_json)

        send.__doc__ = help_text
        for option in (
            verbose_option,
            click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON."),
            click.option(
                "--id", "request_id", default="", metavar="ID", help="Returned with the outcome."
            ),
            click.option(
                "--socket",
                envvar="SEEALOUD_SOCKET",
                type=click.Path(path_type=Path),
                help="The daemon's socket. Default: $SEEALOUD_SOCKET, else the usual places.",
            ),
        ):
            send = option(send)
        return press.command(name)(send)

    return decorate


@_asks("describe", "Describe what the camera sees now.")
def describe() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("repeat", "Repeat the last utterance.")
def repeat() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("stop", "Stop speaking now.")
def stop() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("narrate", "Turn narration on or off; without an argument, switch it.")
@click.argument("state", type=_ON_OFF, required=False)
def narrate(state: str | None) -> dict[str, Any]:
    """Return the request's fields."""
    return {} if state is None else {"is_on": state == "on"}


@_asks("snooze", "Pause narration for MINUTES; 0 ends the pause.")
@click.argument("minutes", type=float)
def snooze(minutes: float) -> dict[str, Any]:
    """Return the request's fields."""
    return {"minutes": minutes}


@_asks("alerts", "Turn the alerts of rules on or off, also while narration is off.")
@click.argument("state", type=_ON_OFF)
def alerts(state: str) -> dict[str, Any]:
    """Return the request's fields."""
    return {"is_on": state == "on"}


@_asks("mute", "Mute all sound except alerts, or unmute it; MQTT continues.")
@click.argument("state", type=_ON_OFF)
def mute(state: str) -> dict[str, Any]:
    """Return the request's fields."""
    return {"is_on": state == "on"}


@_asks("privacy", "Turn privacy on, which closes the camera, or off.")
@click.argument("state", type=_ON_OFF)
def privacy(state: str) -> dict[str, Any]:
    """Return the request's fields."""
    return {"is_on": state == "on"}


@_asks("set", "Change a setting: volume, rate, minimum_gap_s, snooze_min or voice.")
@click.argument("name")
@click.argument("value")
def set_(name: str, value: str) -> dict[str, Any]:
    """Return the request's fields."""
    try:
        return {"name": name, "value": float(value)}
    except ValueError:
        return {"name": name, "value": value}


@_asks("say", "Speak a text.")
@click.argument("text")
def say(text: str) -> dict[str, Any]:
    """Return the request's fields."""
    return {"text": text}


@_asks("status", "Print the state; nothing is spoken.")
def status() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("self-check", "Speak the state of the device.")
def self_check() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("summary", "Speak what was seen in the last MINUTES (default: 60).")
@click.argument("minutes", type=float, required=False)
def summary(minutes: float | None) -> dict[str, Any]:
    """Return the request's fields."""
    return {} if minutes is None else {"minutes": minutes}


def _ask(fields: dict[str, Any], socket: Path | None, as_json: bool) -> int:
    """Send a request, print its outcome and return the exit code.

    Raises:
        RequestError: it is wrong, or was refused.
        DaemonError: no daemon answers.
    """
    import json

    from device.requests import parse_request
    from device.settings.paths import socket_candidates
    from device.triggers.control_client import ask

    # Parsed as in the daemon, so that a wrong request is refused here with the same message.
    request = parse_request(json.dumps(fields).encode())
    outcome = ask(socket_candidates() if socket is None else (socket,), request)
    if as_json:
        echo_line(outcome.model_dump_json())
        return 0 if outcome.is_accepted else RequestError.exit_code
    if not outcome.is_accepted:
        raise RequestError(outcome.reason)
    for line in _table(outcome.data):
        echo_line(line)
    return 0


def _table(data: dict[str, bool | int | float | str | None]) -> list[str]:
    """Return the state as lines with the names in one column and the values in the other."""
    width = max(map(len, data), default=0)
    return [f"{name:<{width}}  {one_line(_for_people(data[name]))}" for name in data]


def _for_people(value: bool | int | float | str | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)
