"""What is meant for every device of a site, and settings desired of devices: with a real broker."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.publish as mqtt_publish
import pytest
from support.mosquitto import (
    DEADLINE_S,
    HOST,
    Broker,
    Listener,
    listening,
    password_lines,
    running_mosquitto,
)
from support.mqtt_daemon import VOICES, Device, answered, running, settings_for

from seealoud.device.errors import ConfigError
from seealoud.device.mqtt.broker import check_device_id
from seealoud.device.mqtt.commands import CommandHandler, ResultMessage
from seealoud.device.mqtt.identity import Identity
from seealoud.device.mqtt.inbox import ReceivedMessage
from seealoud.device.mqtt.state_messages import StateMessage
from seealoud.device.mqtt.subscriptions import SiteCommands
from seealoud.device.requests import Outcome, Request
from seealoud.device.settings.schema import Settings
from seealoud.device.testing import ManualClock

SITE_COMMAND = "seealoud/all/command"
SITE_DESIRED = "seealoud/all/desired"


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(autouse=True)
def _nothing_stays(broker):
    before = set(threading.enumerate())
    yield
    for topic in (
        SITE_DESIRED,
        *(f"seealoud/{name}/desired" for name in ("hall", "attic", "office")),
    ):
        publish(broker, topic, "", is_retained=True)
    end_s = time.monotonic() + DEADLINE_S
    while [x for x in threading.enumerate() if x not in before and x.name != "mqtt-dial"]:
        assert time.monotonic() < end_s
        time.sleep(0.01)


def publish(broker: Broker, topic: str, payload: object, *, is_retained: bool = False) -> None:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    mqtt_publish.single(topic, text, qos=1, retain=is_retained, hostname=HOST, port=broker.port)


def desire(broker: Broker, device_id: str, payload: object) -> None:
    publish(broker, f"seealoud/{device_id}/desired", payload, is_retained=True)


def next_result(listener: Listener, device_id: str = "") -> ResultMessage:
    return ResultMessage.model_validate_json(listener.next(f"{device_id}/result").payload)


def state_with(listener: Listener, device_id: str, own_id: str, deadline_s=DEADLINE_S):
    """Return the first new state with a report of the document with this id."""
    end_s = time.monotonic() + deadline_s
    while True:
        heard = listener.next(f"{device_id}/state", end_s - time.monotonic())
        state = StateMessage.model_validate_json(heard.payload)
        if not heard.is_retained and own_id in [x.id for x in state.desired]:
            return state


def report(state: StateMessage, own_id: str):
    return next(x for x in state.desired if x.id == own_id)


# --- every device of a site --------------------------------------------------------------------


def test_no_device_may_have_the_id_that_stands_for_every_device():
    with pytest.raises(ConfigError, match="'all' cannot be used: seealoud/all/command is for"):
        check_device_id("all")
    with pytest.raises(ValueError, match="for every device"):
        Settings.model_validate({"device": {"id": "all"}})
    assert check_device_id("all-rooms") == "all-rooms"


def test_site_wide_is_off_unless_it_is_switched_on(broker):
    off, on = (
        Device(settings_for(broker.port, is_site_wide_on=is_on), name)
        for name, is_on in (("hall", False), ("attic", True))
    )
    with listening(broker) as listener, running(off), running(on):
        off.wait_connected()
        on.wait_connected()
        publish(broker, SITE_COMMAND, {"action": "mute", "is_on": True, "id": "m1"})
        desire(broker, "all", {"volume": 0.25, "id": "v1"})
        assert next_result(listener, "attic").id == "m1"
        assert state_with(listener, "attic", "v1").volume == 0.25
        publish(broker, "seealoud/hall/command", {"action": "status", "id": "s1"})
        assert next_result(listener, "hall").id == "s1"
    assert [x.action for x in off.controller.requests] == ["status"]
    assert off.controller.state["is_muted"] is False


def test_five_devices_carry_out_one_command_and_each_confirms_it_on_its_own_topic(broker):
    names = [f"room-{number}" for number in range(5)]
    settings = settings_for(broker.port, is_site_wide_on=True, spread_s=1.0)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listening(broker))
        devices = [stack.enter_context(running(Device(settings, name))) for name in names]
        for device in devices:
            device.wait_connected()
        command = {"action": "set", "name": "volume", "value": 0.125, "id": "q1"}
        publish(broker, SITE_COMMAND, command)
        results = {}
        while results.keys() != set(names):
            heard = listener.next("/result")
            results[heard.topic.split("/")[1]] = ResultMessage.model_validate_json(heard.payload)
        assert {(x.topic, x.id, x.is_accepted) for x in results.values()} == {
            (SITE_COMMAND, "q1", True)
        }
        assert {x.controller.state["volume"] for x in devices} == {0.125}
        # Each drew a wait of its own.
        times = sorted(x.at for x in results.values())
        assert (times[-1] - times[0]).total_seconds() > 0.02
        publish(broker, SITE_COMMAND, {"action": "fly", "id": "q2"})
        refused = [next_result(listener) for _ in names]
        assert {(x.id, x.is_accepted) for x in refused} == {("q2", False)}
        assert "'fly'" in refused[0].reason


def test_with_the_documented_access_rules_only_the_operator_commands_every_device(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
    rules = page.partition("    user operator\n")[2].partition("\n\n- ")[0].partition("\n#")[0]
    acl = tmp_path / "acl"
    acl.write_text("user operator\n" + textwrap.dedent(rules))
    lines = [*password_lines(tmp_path, "operator", "word-of-operator"), f"acl_file {acl}"]
    for user in ("hall", "attic"):
        file = str(tmp_path / "passwords")
        subprocess.run(["mosquitto_passwd", "-b", file, user, f"word-of-{user}"], check=True)

    def send(user: str, topic: str, payload: object, *, is_retained: bool = False) -> None:
        auth = {"username": user, "password": f"word-of-{user}"}
        mqtt_publish.single(topic, json.dumps(payload), qos=1, retain=is_retained,
                            hostname=HOST, port=guarded.port, auth=auth)  # fmt: skip

    with contextlib.ExitStack() as stack:
        guarded = stack.enter_context(running_mosquitto(tmp_path, *lines))
        devices = {}
        for user in ("hall", "attic"):
            word = tmp_path / user
            word.write_text(f"word-of-{user}")
            settings = settings_for(
                guarded.port, is_site_wide_on=True, username=user, password_file=word
            )
            devices[user] = stack.enter_context(running(Device(settings, user)))
            devices[user].wait_connected()
        states = [device.controller.state for device in devices.values()]
        # Those of a device come first, and reach nobody.
        send("hall", SITE_COMMAND, {"action": "mute", "is_on": True})
        send("hall", "seealoud/attic/command", {"action": "mute", "is_on": True})
        send("hall", SITE_DESIRED, {"rate": 2}, is_retained=True)
        send("operator", SITE_COMMAND, {"action": "narrate", "is_on": False})
        send("operator", SITE_DESIRED, {"volume": 0.25}, is_retained=True)
        send("operator", "seealoud/attic/desired", {"minimum_gap_s": 40}, is_retained=True)
        for device in devices.values():
            state = device.controller.state
            device.wait_until(lambda state=state: state["volume"] == 0.25)
            device.wait_until(lambda state=state: not state["is_narrating"])
        devices["attic"].wait_until(lambda: states[1]["minimum_gap_s"] == 40)
        assert [(x["is_muted"], x["rate"]) for x in states] == [(False, 1.0)] * 2
        assert states[0]["minimum_gap_s"] == 10


class Handled:
    """A handler of requests that notes them."""

    def __init__(self) -> None:
        self.actions: list[str] = []

    def __call__(self, request: Request, cause: object, asked_s: float) -> Outcome:
        self.actions.append(request.action)
        return Outcome(is_accepted=True, id=request.id)


@pytest.fixture
def site():
    clock, handled = ManualClock(), Handled()
    commands = CommandHandler(Identity("hall", voices=VOICES), handled, clock, 6000)
    return SiteCommands(commands, 5.0, random.Random(7)), handled, clock


def said(**command) -> ReceivedMessage:
    payload = json.dumps(command).encode()
    return ReceivedMessage(SITE_COMMAND, payload, len(payload), is_retained=False)


def test_site_commands_keep_their_order_while_they_wait(site):
    commands, handled, clock = site
    wanted = ["describe", "narrate", "self_check", "status", "repeat"]
    for action in wanted:
        assert commands.take(said(action=action), clock.now_s()) == []
    assert handled.actions == []
    answers = commands.due(clock.now_s() + 5.0)
    assert handled.actions == wanted == [x.action for x in answers]


@pytest.mark.parametrize(
    ("urgent", "overridden"),
    [
        ({"action": "stop"}, ["say", "describe"]),
        ({"action": "mute", "is_on": True}, ["mute"]),
        ({"action": "privacy", "is_on": True}, []),
    ],
)
def test_an_urgent_site_command_does_not_wait_and_is_not_undone_by_an_earlier_one(
    site, urgent, overridden
):
    commands, handled, clock = site
    before = [
        {"action": "say", "text": "Hello."},
        {"action": "mute", "is_on": False},
        {"action": "describe"},
        {"action": "set", "name": "volume", "value": 1},
    ]
    for number, command in enumerate(before):
        commands.take(said(**command, id=f"q{number}"), clock.now_s())
    first, *refused = commands.take(said(**urgent, id="now"), clock.now_s())
    assert (first.id, first.is_accepted) == ("now", True)
    assert handled.actions == [urgent["action"]]
    assert [x.action for x in refused] == overridden
    for result in refused:
        assert not result.is_accepted
        assert f'"{urgent["action"]}" came after it' in result.reason
    commands.due(clock.now_s() + 5.0)
    left = [x["action"] for x in before if x["action"] not in overridden]
    assert handled.actions[1:] == left


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"action": "privacy", "is_on": False}, "switching privacy off is not taken for a whole"),
        ({"action": "place_forget"}, "place_forget is not taken for a whole site"),
        ({"action": "place_teach", "name": "kitchen"}, "place_teach is not taken"),
    ],
)
def test_what_must_not_happen_to_a_whole_site_is_refused(site, command, reason):
    commands, handled, clock = site
    assert commands.take(said(**command, id="q1"), clock.now_s()) == []
    (answer,) = commands.due(clock.now_s() + 5.0)
    assert (answer.id, answer.is_accepted) == ("q1", False)
    assert reason in answer.reason
    assert handled.actions == []


# --- desired settings ----------------------------------------------------------------------------


EVERYTHING = {
    "is_private": True,
    "is_muted": True,
    "is_narrating": False,
    "is_alerting": False,
    "voice": "Amy",
    "volume": 0.25,
    "rate": 1.5,
    "minimum_gap_s": 30,
}


def test_desired_settings_are_applied_once_and_confirmed_by_the_state(broker, tmp_path):
    file = tmp_path / "desired.json"
    desire(broker, "hall", {**EVERYTHING, "id": "rev-1"})
    device = Device(settings_for(broker.port), "hall", desired_file=file)
    with listening(broker) as listener, running(device):
        state = state_with(listener, "hall", "rev-1")
        values = state.model_dump(include=set(EVERYTHING))
        assert values == {**EVERYTHING, "minimum_gap_s": 30.0}
        ours = report(state, "rev-1")
        assert (ours.topic, ours.is_accepted, ours.reason, ours.differing) == (
            "seealoud/hall/desired", True, "", ())  # fmt: skip
        assert len(device.controller.requests) == len(EVERYTHING)
        # A person changes the volume at the device; the same document does not undo it.
        publish(broker, "seealoud/hall/volume/set", "0.75")
        device.wait_until(lambda: device.controller.state["volume"] == 0.75)
        desire(broker, "hall", {**EVERYTHING, "id": "rev-2"})
        state = state_with(listener, "hall", "rev-2")
        assert (state.volume, report(state, "rev-2").differing) == (0.75, ("volume",))
        # Another setting of the document changes: only that one is applied.
        desire(broker, "hall", {**EVERYTHING, "rate": 2, "id": "rev-3"})
        state = state_with(listener, "hall", "rev-3")
        assert (state.volume, state.rate) == (0.75, 2)
        # What is desired of the volume itself changes.
        desire(broker, "hall", {**EVERYTHING, "rate": 2, "volume": 0.5, "id": "rev-4"})
        assert state_with(listener, "hall", "rev-4").volume == 0.5
    # After a restart, with the change of a person in between.
    again = Device(settings_for(broker.port), "hall", desired_file=file)
    again.controller.state |= {**device.controller.state, "volume": 0.875, "is_private": False}
    with listening(broker) as listener, running(again):
        state = state_with(listener, "hall", "rev-4")
        assert (state.volume, state.is_private) == (0.875, False)
        assert again.controller.requests == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"volume": 9}, "volume must be at most 2, not 9"),
        ({"volume": 0.1, "loudness": 1}, "loudness is not known"),
        ({"volume": True}, "volume must be a number"),
        ({"is_private": False, "volume": 0.1}, "privacy is only switched on from here"),
        ({"voice": "Bob", "volume": 0.1}, "'Bob' is unknown: known are Built-in, Amy"),
        ("{", "JSON"),
        ([1], "the request"),
        ('{"id": "' + "x" * 5000 + '"}', "at most 4096"),
    ],
)
def test_a_document_that_cannot_be_applied_whole_is_refused_with_the_reason(
    refusing, document, reason
):
    broker, device = refusing
    before = dict(device.controller.state)
    if isinstance(document, dict):
        document = {"id": "bad", **document}
    with listening(broker, "seealoud/office/#") as listener:
        listener.drain()
        desire(broker, "office", document)
        result = next_result(listener, "office")
        while result.topic != "seealoud/office/desired":
            result = next_result(listener, "office")
        (ours,) = StateMessage.model_validate_json(listener.next("office/state").payload).desired
        # The report goes with its document.
        desire(broker, "office", "")
        while StateMessage.model_validate_json(listener.next("office/state").payload).desired:
            pass
    assert (result.action, result.is_accepted, ours.is_accepted) == ("desired", False, False)
    assert result.reason == ours.reason
    assert reason in ours.reason
    if isinstance(document, dict):
        assert (result.id, ours.id) == ("bad", "bad")
    assert device.controller.state == before


@pytest.fixture(scope="module")
def refusing(broker) -> Iterator[tuple[Broker, Device]]:
    device = Device(settings_for(broker.port), "office")
    with running(device):
        device.wait_connected()
        yield broker, device


def test_the_device_s_own_document_counts_before_that_of_the_site(broker):
    desire(broker, "all", {"volume": 0.125, "rate": 1.25, "id": "site-1"})
    desire(broker, "hall", {"volume": 0.25, "id": "own-1"})
    settings = settings_for(broker.port, is_site_wide_on=True)
    hall, attic = Device(settings, "hall"), Device(settings, "attic")
    with listening(broker) as listener, running(hall), running(attic):
        state = state_with(listener, "hall", "site-1")
        assert (state.volume, state.rate) == (0.25, 1.25)
        assert report(state, "site-1").differing == ("volume",)
        assert report(state, "own-1").differing == ()
        # Never the site's value first.
        assert [x.value for x in hall.controller.requests if x.name == "volume"] == [0.25]
        attic.wait_until(lambda: attic.controller.state["volume"] == 0.125)
        # While the own one is refused, nothing changes.
        desire(broker, "hall", {"volume": "loud", "id": "own-2"})
        state = state_with(listener, "hall", "own-2")
        assert "own document is refused" in report(state, "site-1").reason
        assert (state.volume, state.rate) == (0.25, 1.25)
        # Without the own one, the site's counts.
        desire(broker, "hall", "")
        hall.wait_until(lambda: hall.controller.state["volume"] == 0.125)


def test_a_voice_that_cannot_be_loaded_leaves_all_but_privacy_as_it_was(broker):
    device = Device(settings_for(broker.port), "hall")
    device.controller.refused["voice"] = "the voice file is damaged"
    before = dict(device.controller.state)
    with listening(broker) as listener, running(device):
        device.wait_connected()
        desire(broker, "hall", {**EVERYTHING, "id": "rev-1"})
        ours = report(state_with(listener, "hall", "rev-1"), "rev-1")
        assert (ours.is_accepted, ours.reason) == (False, "voice: the voice file is damaged")
        assert device.controller.state == {**before, "is_private": True}
        # The next document without it is applied.
        desire(broker, "hall", {"volume": 0.25, "id": "rev-2"})
        state = state_with(listener, "hall", "rev-2")
        assert (report(state, "rev-2").is_accepted, state.volume) == (True, 0.25)


def test_desired_settings_that_changed_while_the_broker_was_away_are_applied_afterwards(tmp_path):
    persistent = ("persistence true", f"persistence_location {tmp_path}/")
    with running_mosquitto(tmp_path, *persistent) as first:
        desire(first, "hall", {"volume": 0.25, "id": "rev-1"})
        device = Device(settings_for(first.port), "hall", desired_file=tmp_path / "desired.json")
        device.worker.start()
        device.wait_until(lambda: device.controller.state["volume"] == 0.25)
        first.stop()
        device.wait_until(lambda: not device.sink.is_connected)
        device.controller.state["volume"] = 1.0  # by a person
        with running_mosquitto(tmp_path, *persistent, port=first.port) as second:
            device.wait_connected()
            with listening(second) as listener:
                assert state_with(listener, "hall", "rev-1").volume == 1.0
                desire(second, "hall", {"volume": 0.5, "id": "rev-2"})
                assert state_with(listener, "hall", "rev-2").volume == 0.5
            device.worker.request_stop()
            assert device.worker.join(DEADLINE_S)
            device.sink.close()


def test_a_damaged_file_of_applied_settings_is_replaced(broker, tmp_path):
    file = Path(tmp_path / "desired.json")
    file.write_text('{"volume": ')
    desire(broker, "hall", {"volume": 0.25, "id": "rev-1"})
    device = Device(settings_for(broker.port), "hall", desired_file=file)
    with listening(broker) as listener, running(device):
        assert state_with(listener, "hall", "rev-1").volume == 0.25
        device.bus.publish(answered())
    assert json.loads(file.read_text()) == {"volume": 0.25}


def test_a_connection_that_ends_too_early_takes_no_document_for_removed(tmp_path):
    file = tmp_path / "desired.json"
    file.write_text('{"volume": 0.25}')
    device = Device(settings_for(1), "hall", desired_file=file)
    subscriptions = device.sink._subscriptions

    def take(topic: str, text: str, now_s: float) -> None:
        payload = text.encode()
        received = ReceivedMessage(topic, payload, len(payload), is_retained=False)
        assert subscriptions.take(received, now_s) == []

    subscriptions.connection_began(0)
    assert subscriptions.tend(20, is_connected=False) == []
    assert json.loads(file.read_text()) == {"volume": 0.25}
    # Nor is what a person has changed undone over the next connection.
    subscriptions.connection_began(30)
    take("seealoud/hall/desired", '{"volume": 0.25}', 30)
    assert subscriptions.tend(31, is_connected=True) == []  # more may come
    take("seealoud/hall/availability", "online", 32)
    (result,) = subscriptions.tend(32, is_connected=True)
    assert (result.topic, result.is_accepted) == ("seealoud/hall/desired", True)
    assert device.controller.requests == []
    # One that is gone over a whole connection is removed.
    subscriptions.connection_began(40)
    take("seealoud/hall/availability", "online", 41)
    assert subscriptions.tend(41, is_connected=True) == []
    assert json.loads(file.read_text()) == {}
