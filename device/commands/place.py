"""``seealoud place``: teaches, lists and forgets places; only features are kept, no pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seealoud.device.commands.command_line import (
    SuggestingGroup,
    ask_daemon,
    daemon_sockets,
    existing_folder,
    request_of,
    socket_option,
    state_option,
)
from seealoud.device.commands.report import echo_error, echo_line, one_line, verbose_option
from seealoud.device.english import counted
from seealoud.device.errors import ConfigError, DaemonError, PictureError, RequestError

if TYPE_CHECKING:
    from seealoud.device.requests import Outcome
    from seealoud.device.vision.places import PlaceFile

_state_option = state_option(
    "The state folder without a daemon. Default: $STATE_DIRECTORY, else your own."
)


@click.group(
    "place",
    cls=SuggestingGroup,
    no_args_is_help=False,
    short_help="Teach, list and forget places.",
)
def place() -> None:
    """Teach, list and forget places; `seealoud press where` says which one the camera sees.

    Only the encoder's features are kept, no pictures.
    """


@place.command("teach")
@click.argument("name")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Learn from the pictures in FOLDER instead of the camera.",
)
@_state_option
@socket_option
@verbose_option
def teach_command(
    name: str, folder: Path | None, state: Path | None, socket: Path | None
) -> int | None:
    """Learn the place NAME from what the camera sees in the next seconds.

    The daemon must run, since it has the camera; with --from it need not. Teaching a place
    again adds pictures to it.
    """
    if folder is None:
        fields = {"action": "place_teach", "name": name, "wants_answer": True}
        return _print(ask_daemon(request_of(fields), socket))
    _learn_from(folder, _checked_name(name), _file(state))
    return None


@place.command("list")
@_state_option
@verbose_option
def list_command(state: Path | None) -> None:
    """Print the places that were taught, one a line."""
    places = _file(state).read()
    for name, taught_nd in places.features.items():
        echo_line(one_line(f"{name}: {counted(len(taught_nd), 'picture')}"))
    if not places.names:
        echo_error("no place has been taught yet: seealoud place teach NAME")


@place.command("forget")
@click.argument("name", required=False)
@click.option("--all", "is_all", is_flag=True, help="Forget all places.")
@_state_option
@socket_option
@verbose_option
def forget_command(
    name: str | None, is_all: bool, state: Path | None, socket: Path | None
) -> int | None:
    """Forget the place NAME, or --all places, for good; with or without the daemon."""
    if is_all == (name is not None):
        raise click.UsageError("give the NAME of a place, or --all")
    if state is None and _is_running(socket):
        request = request_of({"action": "place_forget", "name": name})
        return _print(ask_daemon(request, socket))
    file = _file(state)
    if name is None:
        file.erase()
        echo_line("All places are forgotten.")
        return None
    file.change(lambda old: old.without(name))
    echo_line(one_line(f"The place {name} is forgotten."))
    return None


def _learn_from(folder: Path, name: str, file: PlaceFile) -> None:
    """Teach a place from a folder of pictures; unusable ones are named and left out.

    Raises:
        PictureError: no picture can be used.
    """
    import numpy as np

    from seealoud.device.commands.describe_sources import expand_sources
    from seealoud.device.records import Frame
    from seealoud.device.vision.bundle import find_bundle, load_bundle
    from seealoud.device.vision.describe import open_describer
    from seealoud.device.vision.places import MOST_PICTURES

    def usable(source_read: Any) -> Frame | None:
        try:
            frame: Frame = source_read()
        except PictureError as exc:
            echo_error(str(exc))
            return None
        refused = describer.refusal(frame)
        if refused is not None:
            echo_error(f"{frame.source}: {refused.text} It is left out.")
        return frame if refused is None else None

    describer = open_describer(load_bundle(find_bundle()))
    try:
        sources = list(expand_sources([str(folder)]))[:MOST_PICTURES]
        frames = [frame for source in sources if (frame := usable(source.read)) is not None]
        seen = [describer.features(frame) for frame in frames]
    finally:
        describer.close()
    if not seen:
        raise PictureError(f"no picture in {folder} can be used, and {name} was not learnt")
    features_nd = np.stack([encoded.pooled_d for encoded in seen])
    file.change(lambda old: old.with_pictures(name, seen[0].encoder, features_nd))
    echo_line(one_line(f"I have learnt {name}, from {counted(len(seen), 'picture')}."))


def _checked_name(name: str) -> str:
    """Return a place's name as the daemon would take it.

    Raises:
        RequestError: it is empty, too long or has control characters.
    """
    from seealoud.device.requests import PlaceTeach

    request = request_of({"action": "place_teach", "name": name})
    assert isinstance(request, PlaceTeach)
    return request.name


def _file(state: Path | None) -> PlaceFile:
    from seealoud.device.settings.paths import directories
    from seealoud.device.vision.places import PLACES_FILE, PlaceFile

    folder = directories().state if state is None else existing_folder(state, ConfigError)
    return PlaceFile(folder / PLACES_FILE)


def _is_running(socket: Path | None) -> bool:
    from seealoud.device.triggers.control_client import is_daemon_running

    return any(map(is_daemon_running, daemon_sockets(socket)))


def _print(outcome: Outcome) -> int:
    if not outcome.is_accepted:
        raise RequestError(outcome.reason)
    if not outcome.answer:
        raise DaemonError("the daemon accepted the request, but has not answered yet")
    echo_line(one_line(outcome.answer))
    return 0
