"""Home Assistant's view: the discovery message, who knows nothing else, and the examples."""

from __future__ import annotations

import json
import platform
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from support.captions import THINGS, THINGS_JSON, caption, thing
from support.mosquitto import Broker, running_mosquitto
from support.mqtt_daemon import VOICES, Device, answered, running, settings_for, summed_up
from support.mqtt_home import Home, connected_home

from seealoud.device.events import (
    Alerted,
    Decided,
    DecisionReason,
    InViewChanged,
    Part,
    PlaceChanged,
    ProblemChanged,
)
from seealoud.device.mqtt.discovery import announced_parts, discovery_message, rule_key
from seealoud.device.mqtt.identity import Identity, identity_of, read_board
from seealoud.device.mqtt.payloads import thing_parts
from seealoud.device.mqtt.picture_commands import PictureCommand
from seealoud.device.mqtt.state_messages import UpdateMessage
from seealoud.device.mqtt.topics import ALL_TOPICS
from seealoud.device.pictures.questions import PictureAnswered
from seealoud.device.records import Cause, Description, Side
from seealoud.device.requests import Say, SelfCheck, Snooze, Summary, Where
from seealoud.device.settings.load import parse_settings
from seealoud.device.speech.settings import SpeechSettings

DOCS = Path(__file__).parents[2] / "docs"
TOPIC = "homeassistant/device/kitchen/config"


def described(*, has_picture: bool = True, **changes: Any) -> dict:
    identity = Identity("kitchen", name="Küche", voices=VOICES, **changes)
    return json.loads(discovery_message(identity, has_picture=has_picture))


# --- the message -----------------------------------------------------------------------------


def test_what_home_assistant_requires_is_there():
    message = described()
    assert message["origin"]["name"]
    assert message["device"]["identifiers"] == ["kitchen"]
    assert message["device"]["name"] == "Küche"
    ids = [one["unique_id"] for one in message["components"].values()]
    assert len(ids) == len(set(ids)) == len(message["components"])
    assert all(one["platform"] for one in message["components"].values())


def test_every_topic_of_it_is_one_of_ours_and_nothing_is_optimistic():
    message = described()
    ours = {topic.of("kitchen"): topic for topic in ALL_TOPICS}
    for one in (message, *message["components"].values()):
        for key, value in one.items():
            if key.endswith("_topic"):
                assert ours[value].is_command == (key == "command_topic"), key
    for key, one in message["components"].items():
        assert not one.get("optimistic")
        if one["platform"] in {"switch", "number", "select"}:
            assert one["state_topic"], key


def test_an_image_that_is_switched_off_is_removed_and_not_left_out():
    assert described(has_picture=False)["components"]["picture"] == {"platform": "image"}


def test_installed_voices_can_be_chosen():
    speech = SpeechSettings.model_validate({"voice": "/voices/amy.onnx"})
    identity = identity_of("k", "K", speech, installed_voices={"alan-0123456789ab": "/state/alan"})
    assert dict(identity.voices) == {
        "Built-in": "",
        "alan-0123456789ab": "/state/alan",
        "amy": "/voices/amy.onnx",
    }


def test_an_update_is_offered_only_with_a_feed_and_shows_what_home_assistant_allows():
    assert "update" not in described()["components"]
    one = described(has_updates=True)["components"]["update"]
    assert (one["platform"], one["payload_install"]) == ("update", "install")
    message = UpdateMessage(
        at=datetime.now(UTC),
        installed_version="a-0123456789ab",
        latest_version=None,
        in_progress=False,
        update_percentage=None,
        release_summary='With "quotes".',
        problem="It's gone.",
    )

    def shown(template: str, **changes: Any) -> dict[str, Any]:
        text = message.model_copy(update=changes).model_dump_json()
        rendered = jinja2.Environment().from_string(template).render(value_json=json.loads(text))
        found: dict[str, Any] = json.loads(rendered)
        return found

    # Its schema refuses other keys, and a version that is null (homeassistant/components/mqtt).
    assert shown(one["value_template"]) == {
        "installed_version": "a-0123456789ab",
        "release_summary": 'With "quotes".',
        "update_percentage": None,
        "in_progress": False,
    }
    found = shown(one["value_template"], latest_version="b", update_percentage=10)
    assert (found["latest_version"], found["update_percentage"]) == ("b", 10)
    assert shown(one["json_attributes_template"]) == {"problem": "It's gone."}


def test_the_device_block_names_the_board(tmp_path):
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    pi = described(board=read_board(model))["device"]
    assert (pi["model"], pi["hw_version"]) == ("Raspberry Pi 4 Model B", "Rev 1.4")
    other = described(board=read_board(tmp_path / "none"))["device"]
    assert (other["model"], other["hw_version"]) == ("SeeAloud", platform.machine())
    model.write_bytes(b"Raspberry Pi Zero 2 W\xff\0")
    assert read_board(model).model.startswith("Raspberry Pi Zero 2 W")
    assert "hw_version" not in described(board=read_board(model))["device"]


def test_the_device_leads_to_its_page_where_others_can_reach_it():
    def url(text: str) -> str:
        page = parse_settings(f"[web]\n{text}", "file").web.outside_url
        return described(page_url=page)["device"].get("configuration_url", "")

    name = socket.gethostname()
    name = name if "." in name else f"{name}.local"
    assert url("") == url("is_on = true") == url('address = "0.0.0.0:80"') == ""
    assert url('is_on = true\naddress = "0.0.0.0:8080"') == f"http://{name}:8080"
    assert url('is_on = true\naddress = "kitchen.lan:80"') == "http://kitchen.lan:80"
    assert url('is_on = true\naddress = "[fd00::7]:80"') == "http://[fd00::7]:80"


def test_every_entity_has_what_home_assistant_knows_how_to_show():
    components = described(rules=("post",))["components"]
    for key, one in components.items():
        assert ("icon" in one) != ("device_class" in one), key
        if one["platform"] == "sensor" and one.get("state_class") == "measurement":
            assert one["unit_of_measurement"], key
            assert one["suggested_display_precision"] == 0, key
        if "device_class" in one and one["device_class"] in {"duration", "temperature"}:
            assert one["unit_of_measurement"], key
    categories = {one.get("entity_category") for one in components.values()}
    assert categories == {None, "config", "diagnostic"}
    # A sensor cannot be configured.
    writable = {"number", "select", "switch", "button"}
    assert all(
        one["platform"] in writable
        for one in components.values()
        if one.get("entity_category") == "config"
    )
    volume = components["volume"]
    assert (volume["min"], volume["max"], volume["unit_of_measurement"]) == (0, 100, "%")
    assert components["started_at"]["device_class"] == "timestamp"
    hidden = {key for key, one in components.items() if one.get("enabled_by_default") is False}
    assert hidden == {"frame_age_s", "caption_latency_ms", "frame_drops", "dropped_messages"}


def test_an_entity_of_an_earlier_version_is_removed_and_what_is_there_stays():
    before = json.dumps({"components": {
        "uptime_s": {"platform": "sensor", "unique_id": "x"},
        "caption": {"platform": "switch"}, "rule_00000000": {"platform": "binary_sensor"},
    }}).encode()  # fmt: skip
    message = discovery_message(Identity("kitchen"), has_picture=True, gone=announced_parts(before))
    found = json.loads(message)["components"]
    assert found["uptime_s"] == {"platform": "sensor"}
    assert found["rule_00000000"] == {"platform": "binary_sensor"}
    assert found["caption"]["platform"] == "sensor"


@pytest.mark.parametrize(
    "payload",
    [b"", b"x", b"[]", b"{}", b'{"components": 3}', b'{"components": {"a": 1}}',
     b'{"components": {"a": {}}}', b'{"components": {"a": {"platform": 3}}}', b"\xff",
     json.dumps({"components": {str(n): {"platform": "sensor"} for n in range(301)}}).encode()],
)  # fmt: skip
def test_a_message_that_describes_no_device_removes_nothing(payload):
    assert announced_parts(payload) == {}


def test_no_display_name_is_longer_than_a_line_and_none_is_twice():
    names = [one["name"] for one in described()["components"].values()]
    assert len(names) == len(set(names))


# --- a client that knows only the message ------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[Broker]:
    with running_mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def device(broker) -> Iterator[Device]:
    settings = settings_for(broker.port, is_picture_on=True, commands_per_min=6000)
    with running(Device(settings, picture=b"\xff\xd8JPEG")) as device:
        device.wait_connected()
        yield device


@pytest.fixture
def home(broker, device) -> Iterator[Home]:
    with connected_home(broker.port) as home:
        home.discover(TOPIC)
        yield home


def test_the_device_is_available(home):
    assert home.is_available()


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("narration", "is_narrating"),
        ("alerts", "is_alerting"),
        ("mute", "is_muted"),
        ("privacy", "is_private"),
    ],
)
def test_switches_show_what_really_happened(home, device, key, field):
    for is_on in (False, True, device.controller.state[field]):
        home.command(key, "ON" if is_on else "OFF")
        home.wait_for_state(key, "ON" if is_on else "OFF")
        assert device.controller.state[field] is is_on
    home.command("privacy", "OFF")
    home.wait_for_state("privacy", "OFF")


@pytest.mark.parametrize("key", ["rate", "minimum_gap_s"])
def test_numbers_are_set_within_what_the_message_allows(home, device, key):
    one = home.components[key]
    assert one["min"] <= float(home.state(key)) <= one["max"]
    home.command(key, str(one["max"]))
    home.wait_for_state(key, str(float(one["max"])))
    assert device.controller.state[key] == one["max"]


def test_the_volume_is_in_percent(home, device):
    for percent in ("0", "35", "100", "55"):
        home.command("volume", percent)
        home.wait_for_state("volume", percent)
        assert device.controller.state["volume"] == pytest.approx(float(percent) / 100)


def test_a_number_that_the_device_refuses_stays_what_it_was(home, device):
    home.command("volume", "50")
    home.wait_for_state("volume", "50")
    home.command("volume", "700")
    home.press("stop")
    device.wait_until(lambda: device.controller.requests[-1].action == "stop")
    assert home.state("volume") == "50"


def test_snooze_counts_down_and_ends(home, device):
    home.command("snooze_min", "15")
    home.wait_for_state("snooze_min", "15")
    assert Snooze(minutes=15) in device.controller.requests
    home.command("snooze_min", "0")
    home.wait_for_state("snooze_min", "0")


def test_every_voice_can_be_chosen(home, device):
    for name in reversed(home.components["voice"]["options"]):
        home.command("voice", name)
        home.wait_for_state("voice", name)
        assert device.controller.state["voice"] == VOICES[name]


def test_text_is_spoken(home, device):
    home.command("say", "Dinner is ready")
    device.wait_until(lambda: Say(text="Dinner is ready") in device.controller.requests)


def test_what_was_missed_is_asked_by_a_button_and_shown_with_all_that_was_counted(home, device):
    home.press("missed")
    device.wait_until(lambda: Summary() in device.controller.requests)
    home.wait_for_state("summary", "In the last hour: Twice a dog.")
    (dogs,) = home.attributes("summary")["seen"]
    assert (dogs["what"], dogs["times"]) == ("a dog", 2)
    assert dogs["first_at"] < dogs["last_at"]
    shown = home.attributes("summary")
    assert {"since", "until", "text", "total", "alerts", "problems", "late"} <= shown.keys()
    long_text = "In the last day: " + " ".join(["Once a very small dog."] * 24)
    device.bus.publish(summed_up(long_text))
    home.wait_for_state("summary", long_text[:254].rpartition(" ")[0] + "…")
    assert home.attributes("summary")["text"] == long_text


@pytest.mark.parametrize("key", ["describe", "repeat", "stop"])
def test_buttons_ask(home, device, key):
    before = len(device.controller.requests)
    home.press(key)
    device.wait_until(lambda: len(device.controller.requests) > before)
    assert device.controller.requests[-1].action == key


def test_a_caption_is_a_state_with_attributes_an_event_and_a_picture(home, device):
    long_text = "I think " + "a very small dog and " * 20 + "a cat."
    device.bus.publish(answered(long_text))
    event = home.next_event("caption_event")
    assert (event["event_type"], event["text"]) == ("described", long_text)
    home.wait_for_state("caption", long_text[:254].rpartition(" ")[0] + "…")
    assert len(home.state("caption")) <= 255
    attributes = home.attributes("caption")
    assert attributes["text"] == long_text
    assert {"probability", "cause", "timings", "bundle", "late", "id"} <= attributes.keys()
    device.bus.publish(answered())
    assert home.next_picture("picture") == b"\xff\xd8JPEG"


def test_answer_about_a_sent_picture_is_an_event_and_no_caption_of_the_device(home, device):
    device.bus.publish(answered("A dog runs."))
    home.wait_for_state("caption", "A dog runs.")
    now = datetime.now(UTC)
    seen = Description("I think a cat sleeps.", caption("a cat sleeps"), 0.7)
    for cause, at in ((Cause.CLI, now), (Cause.MQTT, now - timedelta(hours=1)), (Cause.MQTT, now)):
        own_id = f"{cause} {at:%H}"
        device.bus.publish(PictureAnswered(at=at, description=seen, cause=cause, id=own_id))
    event = home.next_event("described_picture")
    assert (event["event_type"], event["request_id"]) == ("described", f"mqtt {now:%H}")
    assert event["text"] == "I think a cat sleeps."
    assert home.state("caption") == "A dog runs."


def test_things_are_a_state_of_names_and_attributes_of_both_sensors(home, device):
    device.bus.publish(answered("A dog runs. I also see a cat.", things=THINGS))
    home.wait_for_state("things", "cat, bowl, oven, toaster")
    assert home.attributes("things") == {"things": THINGS_JSON}
    assert home.attributes("caption")["things"] == THINGS_JSON
    text = "I am not sure what is happening here. On the left a cat."
    device.bus.publish(answered(text, caption=None, reason="unsure", things=THINGS[:1]))
    home.wait_for_state("caption", text)
    home.wait_for_state("things", "cat")
    assert home.attributes("caption")["caption"] is None
    device.bus.publish(answered())
    home.wait_for_state("things", "none")
    assert home.attributes("things") == {"things": []}
    many = tuple(thing(f"very long name {number}" * 2) for number in range(16))
    device.bus.publish(answered(things=many))
    home.wait_for_state("things", ", ".join(x.name for x in many)[:255])


def test_a_caption_of_before_things_that_the_broker_still_keeps_has_none():
    one = described()["components"]["things"]
    for key, expected in (
        ("value_template", "none"),
        ("json_attributes_template", '{"things": []}'),
    ):
        template = jinja2.Environment().from_string(one[key])
        assert template.render(value_json={"text": "A dog."}) == expected


def test_an_alert_of_a_thing_names_it_and_where_it_is(home, device):
    device.bus.publish(
        Alerted(at=datetime.now(UTC), rule="cats", text="A cat, on the left.", caption=None,
                things=THINGS[:1], captured_at=datetime.now(UTC))
    )  # fmt: skip
    event = home.next_event("alert")
    assert (event["rule"], event["things"][0]["side"]) == ("cats", "left")


def test_alerts_problems_and_presses_are_events_and_late_ones_are_not(home, device):
    now = datetime.now(UTC)
    for at in (now - timedelta(hours=1), now):
        device.bus.publish(Alerted(at=at, rule=f"{at:%d%H}", text="", caption=caption()))
    assert home.next_event("alert")["rule"] == f"{now:%d%H}"
    for is_problem in (True, False):
        device.bus.publish(
            ProblemChanged(at=now, part=Part.CAMERA, is_problem=is_problem, text="x")
        )
    assert home.next_event("problem")["event_type"] == "problem"
    assert home.next_event("problem")["event_type"] == "solved"
    from seealoud.device.requests import Describe, Repeat

    device.controller.handle(Describe(), Cause.MQTT, 0.0)
    device.controller.handle(Repeat(), Cause.BUTTON, 0.0)
    assert home.next_event("button")["event_type"] == "repeat"


def test_diagnostics_are_readable_and_the_camera_is_a_problem_only_out_of_privacy(home, device):
    now = datetime.now(UTC)

    def renew(is_problem: bool, is_private: bool) -> None:
        device.controller.state |= {
            # None come while it opens either, which is no problem.
            "is_camera_available": False,
            "is_camera_problem": is_problem,
            "is_private": is_private,
        }
        device.bus.publish(ProblemChanged(at=now, part=Part.CAMERA, is_problem=True, text=""))

    for key, one in home.components.items():
        if one["platform"] in {"sensor", "binary_sensor"} and "entity_category" in one:
            assert home.state(key) != "", key
    assert home.state("temperature_c") == "48.2"
    started = datetime.fromisoformat(home.state("started_at"))
    assert abs(datetime.now(UTC) - timedelta(seconds=60) - started) < timedelta(minutes=1)
    assert home.state("bundle") == "tiny"
    renew(True, False)
    home.wait_for_state("camera_problem", "ON")
    renew(True, True)
    home.wait_for_state("camera_problem", "OFF")
    renew(True, False)
    home.wait_for_state("camera_problem", "ON")
    renew(False, False)
    home.wait_for_state("camera_problem", "OFF")


def test_voice_and_sound_are_problems_of_their_own(home, device):
    now = datetime.now(UTC)
    for part, key in ((Part.VOICE, "voice_problem"), (Part.SOUND, "sound_problem")):
        for is_problem, state in ((True, "ON"), (False, "OFF")):
            event = ProblemChanged(at=now, part=part, is_problem=is_problem, text="x")
            device.bus.publish(event)
            home.wait_for_state(key, state)


def test_the_place_is_a_sensor_and_is_asked_for_by_a_button(home, device):
    def see(place: str | None) -> None:
        known = ("kitchen", "bath")
        device.bus.publish(PlaceChanged(at=datetime.now(UTC), place=place, known=known))

    see("kitchen")
    home.wait_for_state("place", "kitchen")
    assert home.attributes("place")["known"] == ["kitchen", "bath"]
    see(None)
    home.wait_for_state("place", "none")
    home.press("where")
    device.wait_until(lambda: Where() in device.controller.requests)


def test_the_self_check_is_a_button(home, device):
    home.press("self_check")
    device.wait_until(lambda: SelfCheck() in device.controller.requests)


def test_a_heartbeat_changes_no_entity(home, device):
    def narrated(reason: DecisionReason, text: str) -> Decided:
        return Decided(at=datetime.now(UTC), is_spoken=True, reason=reason, text=text,
                       caption=caption(), things=THINGS[:1])  # fmt: skip

    device.bus.publish(narrated(DecisionReason.CHANGED, "A dog sits."))
    home.wait_for_state("caption", "A dog sits.")
    before = home.attributes("caption")["id"]
    device.bus.publish(narrated(DecisionReason.HEARTBEAT, "A dog sits."))
    device.bus.publish(narrated(DecisionReason.CHANGED, "A dog runs."))
    texts = [home.next_event("caption_event")["text"] for _ in range(2)]
    assert texts == ["A dog sits.", "A dog runs."]
    home.wait_for_state("caption", "A dog runs.")
    assert home.attributes("caption")["id"] != before


# --- alert rules as sensors ------------------------------------------------------------------


def test_a_rule_is_a_sensor_that_is_unknown_while_the_device_does_not_look(broker):
    names = ("person", 'the "post" {{ 1 }} \\ }}%}', "größe 🐈")
    settings = settings_for(broker.port)
    with (
        running(Device(settings, "hall", rules=names)) as device,
        connected_home(broker.port) as home,
    ):
        device.wait_connected()
        home.discover("homeassistant/device/hall/config")
        keys = [rule_key(name) for name in names]
        assert home.components[keys[0]]["name"] == "Person in view"
        for values, states in (
            ((None, None, None), ("None", "None", "None")),
            ((True, False, True), ("ON", "OFF", "ON")),
            ((False, True, False), ("OFF", "ON", "OFF")),
        ):
            rules = dict(zip(names, values, strict=True))
            device.bus.publish(InViewChanged(at=datetime.now(UTC), rules=rules))
            for key, state in zip(keys, states, strict=True):
                home.wait_for_state(key, state)


def test_a_rule_that_is_gone_is_removed_at_once_or_at_the_next_start(broker):
    topic = "homeassistant/device/attic/config"
    settings = settings_for(broker.port)
    with running(Device(settings, "attic", rules=("cat", "dog"))) as device:
        device.wait_connected()
        with connected_home(broker.port) as home:
            home.discover(topic)
            assert {rule_key("cat"), rule_key("dog")} <= home.components.keys()
            rules = {"cat": True, "bird": None}
            device.bus.publish(InViewChanged(at=datetime.now(UTC), rules=rules))
            home.wait_for_components(topic, {rule_key("cat"), rule_key("bird")}, {rule_key("dog")})
    with running(Device(settings, "attic", rules=("dog",))) as device:
        device.wait_connected()
        with connected_home(broker.port) as home:
            home.discover(topic)
            gone = {rule_key("cat"), rule_key("bird")}
            home.wait_for_components(topic, {rule_key("dog")}, gone)


def test_every_entity_is_used_above():
    used = Path(__file__).read_text()
    for key, one in described()["components"].items():
        assert f'"{key}"' in used or one.get("entity_category") == "diagnostic", key


# --- the examples ------------------------------------------------------------------------------


def _blocks() -> list[str]:
    text = (DOCS / "home-assistant.md").read_text()
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


def _entities(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _entities(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entities(inner)
    elif isinstance(value, str):
        yield from re.findall(r"\b[a-z_]+\.seealoud_[a-z_]+\b", value)


def test_the_examples_are_yaml_and_name_entities_that_exist():
    # Home Assistant makes entity ids of the device's and the entity's names.
    known = {
        f"{one['platform']}.seealoud_{one['name'].lower().replace(' ', '_')}"
        for one in described(rules=("person",))["components"].values()
    }
    blocks = [yaml.safe_load(block) for block in _blocks()]
    assert len(blocks) >= 4
    named = set(_entities(blocks))
    assert named
    assert named - {"script.seealoud_describe_camera"} <= known


class _Loader(yaml.SafeLoader):
    """Reads ``!input`` of a blueprint as the name of the input."""


_Loader.add_constructor("!input", lambda loader, node: f"!input {loader.construct_scalar(node)}")


def test_the_script_and_the_blueprints_name_entities_inputs_and_keys_that_exist():
    known = {
        f"{one['platform']}.seealoud_{one['name'].lower().replace(' ', '_')}"
        for one in described()["components"].values()
    } | {"script.seealoud_describe_camera"}
    files = sorted((DOCS / "home-assistant").glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        text = file.read_text()
        content = yaml.load(text, _Loader)
        assert set(_entities(content)) - {"shell_command.seealoud_picture"} <= known, file
        assert f"({'home-assistant/' + file.name})" in (DOCS / "home-assistant.md").read_text()
        if "blueprint" in content:
            used = set(re.findall(r"!input (\w+)", text))
            assert used == content["blueprint"]["input"].keys(), file
    package = (DOCS / "home-assistant" / "seealoud.yaml").read_text()
    (published,) = re.findall(r"\{\{ (\{'id'.*?\}) \| to_json", package)
    assert set(re.findall(r"'(\w+)':", published)) == PictureCommand.model_fields.keys()


@pytest.mark.parametrize(
    ("things", "is_met"),
    [
        (THINGS, True),
        ((), False),
        (None, False),  # no caption yet
        ((thing("cat", Side.RIGHT), thing("dog")), False),
        ((thing("cat", None),), False),
        ((thing("dog"), thing("cat", is_several=True)), True),
    ],
)
def test_the_examples_of_a_cat_on_the_left_hold_for_that_and_nothing_else(things, is_met):
    conditions = [
        one["value_template"]
        for block in map(yaml.safe_load, _blocks())
        for one in block.get("conditions", ())
        if "'cat'" in one["value_template"]
    ]
    assert len(conditions) == 2
    listed = None if things is None else [json.loads(x.json_text()) for x in thing_parts(things)]
    attributes = {"things": listed, "rule": "cat"}
    for template in conditions:
        found = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template)
        assert found.render(state_attr=lambda _, name: attributes[name]).strip() == str(is_met)


def test_every_entity_is_in_the_documents():
    text = (DOCS / "home-assistant.md").read_text()
    for one in described()["components"].values():
        assert f"| {one['name']} |" in text, one["name"]
