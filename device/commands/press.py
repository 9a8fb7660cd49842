"""The commands ``seealoud press …``: each sends one request to the running daemon."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from seealoud.device.commands.command_line import (
    Minutes,
    SuggestingGroup,
    ask_daemon,
    request_of,
    socket_option,
)
from seealoud.device.commands.report import echo_line, one_line, verbose_option
from seealoud.device.errors import DaemonError, RequestError

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_ON_OFF = click.Choice(["on", "off"])


@click.group(
    "press",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="Send a request to the running daemon.",
)
def press() -> None:
    """Send a request to the running daemon, as a button does.

    The device speaks its answer, and the answer is printed as well.

    Exit codes: 0 accepted, 10 refused, 11 no daemon is running or it does not answer.
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
            socket_option,
        ):
            send = option(send)
        # A word of a text may begin with a dash: "say it is -5 outside".
        return press.command(name, context_settings={"ignore_unknown_options": name == "say"})(send)

    return decorate


@_asks("describe", "Describe what the camera sees now.")
def describe() -> dict[str, Any]:
    """Return the request's fields."""
    return {"wants_answer": True}


@_asks("where", "Say which of the taught places the camera sees.")
def where() -> dict[str, Any]:
    """Return the request's fields."""
    return {"wants_answer": True}


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
@click.argument("minutes", type=Minutes())
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


@_asks("say", "Speak a text; quotes around it are not needed.")
@click.argument("words", nargs=-1, required=True)
def say(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the request's fields."""
    return {"text": " ".join(words)}


@_asks("status", "Print the state; nothing is spoken.")
def status() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("self-check", "Speak the state of the device.")
def self_check() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


@_asks("summary", "Speak what was seen in the last MINUTES (default: 60).")
@click.argument("minutes", type=Minutes(), required=False)
def summary(minutes: float | None) -> dict[str, Any]:
    """Return the request's fields."""
    return {} if minutes is None else {"minutes": minutes}


@_asks("update", "Look for a newer bundle, and install it.")
def update() -> dict[str, Any]:
    """Return the request's fields."""
    return {}


def _ask(fields: dict[str, Any], socket: Path | None, as_json: bool) -> int:
    """Send a request, print its outcome and return the exit code.

    Raises:
        RequestError: it is wrong, or was refused.
        DaemonError: no daemon answers.
    """
    from seealoud.device.commands.status_text import status_sentences

    request = request_of(fields)
    outcome = ask_daemon(request, socket)
    if as_json:
        echo_line(outcome.model_dump_json())
        return 0 if outcome.is_accepted else RequestError.exit_code
    if not outcome.is_accepted:
        raise RequestError(outcome.reason)
    if outcome.answer:
        echo_line(one_line(outcome.answer))
    elif getattr(request, "wants_answer", False):
        raise DaemonError(
            "the daemon accepted the request, but has not answered yet; its state is shown by: "
            "seealoud press status"
        )
    for line in status_sentences(outcome.data):
        echo_line(one_line(line))
    return 0
