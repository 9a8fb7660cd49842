"""Everything about MQTT that needs no broker: names, options, secrets, payloads, documents."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.captions import CAPTURED_AT, THINGS, THINGS_JSON, caption, described, thing

from seealoud.device.errors import ConfigError
from seealoud.device.events import Alerted, Answered, Decided, DecisionReason, Part, SummedUp
from seealoud.device.history.summary_text import LONGEST_TEXT_CHARS
from seealoud.device.mqtt.broker import (
    PASSWORD_VARIABLE,
    BrokerSettings,
    TlsSettings,
    check_device_id,
    default_device_id,
    parse_broker,
    read_password,
    tls_context,
)
from seealoud.device.mqtt.messages import (
    MAX_ATTRIBUTES_BYTES,
    SummaryMessage,
    event_message,
    summary_message,
)
from seealoud.device.mqtt.payloads import (
    MAX_STATE_CHARS,
    CaptionMessage,
    caption_message,
    cut_at_a_word,
    marked_late,
)
from seealoud.device.mqtt.schemas import MESSAGES, schemas
from seealoud.device.mqtt.topics import ALL_TOPICS, OFFLINE, ONLINE
from seealoud.device.records import Cause, HistorySummary, Hypothesis, Seen

DOCS = Path(__file__).parents[2] / "docs"


# --- device id ------------------------------------------------------------------------------


def test_the_device_id_is_stable_and_does_not_show_the_machine_id(tmp_path):
    file = tmp_path / "machine-id"
    file.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    device_id = default_device_id([file])
    assert re.fullmatch(r"seealoud-[0-9a-f]{8}", device_id)
    assert device_id == default_device_id([tmp_path / "missing", file])
    assert device_id.removeprefix("seealoud-") not in file.read_text()
    file.write_text("00000000000000000000000000000000\n")
    assert device_id != default_device_id([file])


@pytest.mark.parametrize("contents", [None, "", "uninitialized\n"])
def test_without_a_machine_id_the_host_name_serves(tmp_path, contents):
    file = tmp_path / "machine-id"
    if contents is not None:
        file.write_text(contents)
    assert default_device_id([file]) == default_device_id([])


@pytest.mark.parametrize("bad", ["", "a/b", "a+b", "a#b", "a b", "-a", "ä", "a" * 65, "a\n"])
def test_device_ids_that_break_topics_are_refused(bad):
    with pytest.raises(ConfigError, match="device id"):
        check_device_id(bad)


@pytest.mark.parametrize("good", ["kitchen", "seealoud-0123abcd", "A_1", "7", "a" * 64])
def test_ordinary_device_ids_are_taken(good):
    assert check_device_id(good) == good


# --- host, password, TLS files ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("broker", "broker", None),
        ("broker.local:1884", "broker.local", 1884),
        ("192.168.1.2", "192.168.1.2", None),
        ("192.168.1.2:8883", "192.168.1.2", 8883),
        ("::1", "::1", None),
        ("[::1]", "::1", None),
        ("[fe80::1%eth0]:1883", "fe80::1%eth0", 1883),
    ],
)
def test_hosts_are_understood(text, host, port):
    assert parse_broker(text) == (host, port)
    assert BrokerSettings(host, "kitchen", port).port == port


@pytest.mark.parametrize(
    "text",
    ["", ":1883", "host:", "host:port", "mqtt://host", "host:1:2x", "[::1]x", "a b", "h/path"],
)
def test_an_impossible_host_is_refused(text):
    with pytest.raises(ConfigError, match="MQTT"):
        BrokerSettings(parse_broker(text)[0], "kitchen")


def test_a_password_in_the_host_is_refused_and_not_repeated():
    with pytest.raises(ConfigError) as caught:
        parse_broker("ann:s3cret@host")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_impossible_ports_are_refused(port):
    with pytest.raises(ConfigError, match=r"1\.\.65535"):
        BrokerSettings("host", "kitchen", port)


def test_the_usual_ports_are_used():
    assert BrokerSettings("host", "kitchen").address == "host:1883"
    assert BrokerSettings("host", "kitchen", tls=TlsSettings()).address == "host:8883"
    assert BrokerSettings("::1", "kitchen", 7).address == "[::1]:7"


def test_two_connections_of_one_device_have_different_client_ids():
    one, other = (BrokerSettings("host", "kitchen") for _ in range(2))
    assert one.client_id != other.client_id
    assert one.client_id.startswith("kitchen-")


def test_the_password_shows_nowhere():
    settings = BrokerSettings("host", "kitchen", username="ann", password="s3cret")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


def test_a_password_without_a_user_is_refused():
    with pytest.raises(ConfigError, match="user"):
        BrokerSettings("host", "kitchen", password="s3cret")


def test_the_password_comes_from_the_file_before_the_environment(tmp_path):
    file = tmp_path / "password"
    file.write_text(" from file \r\n")
    assert read_password(file, {PASSWORD_VARIABLE: "from environment"}) == " from file "
    assert read_password(None, {PASSWORD_VARIABLE: "from environment"}) == "from environment"
    assert read_password(None, {}) is None


@pytest.mark.parametrize("contents", [None, b"", b"\n", b"\xff\xfe"])
def test_an_unusable_password_file_is_refused(tmp_path, contents):
    file = tmp_path / "password"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ConfigError, match="password file"):
        read_password(file, {})


def test_unusable_tls_files_are_refused(tmp_path):
    text = tmp_path / "x.pem"
    text.write_text("no certificate")
    for settings, why in [
        (TlsSettings(ca_file=tmp_path / "missing"), "cannot be read"),
        (TlsSettings(ca_file=text), "no PEM certificate"),
        (TlsSettings(cert_file=text), "do not fit"),
        (TlsSettings(key_file=text), "--mqtt-cert"),
    ]:
        with pytest.raises(ConfigError, match=why):
            tls_context(settings)


# --- payload ---------------------------------------------------------------------------------


def test_the_message_carries_everything():
    published_at = CAPTURED_AT + timedelta(seconds=1.5)
    message = json.loads(caption_message(described(), "describe", published_at).to_json())
    identity = uuid.UUID(message.pop("id"))
    assert identity.version == 4
    assert message == {
        "schema_version": 2,
        "event_type": "described",
        "at": "2026-11-23T06:06:14.623Z",
        "late": False,
        "cause": "describe",
        "text": "I think a dog runs through the grass.",
        "short_text": "I think a dog runs through the grass.",
        "probability": 0.62,
        "reason": "",
        "request_id": "",
        "source": "/pictures/dog.jpg",
        "captured_at": "2026-11-23T06:06:13.123Z",
        "frame_age_ms": 1500,
        "caption": "a dog runs through the grass",
        "sentence": "A dog runs through the grass.",
        "log_probability": -6.25,
        "n_best": [
            {"text": "a dog runs through the grass", "log_probability": -6.25, "score": -0.75},
            {"text": "a cat", "log_probability": -9.5, "score": -2.5},
        ],
        "timings": {
            "preprocess_ms": 1.235,
            "encoder_ms": 20.5,
            "decoder_ms": 30.25,
            "total_ms": 51.985,
        },
        "bundle": "tiny",
        "things": [],
    }


def test_every_message_has_an_id_of_its_own():
    one, other = (caption_message(described(), "describe", CAPTURED_AT) for _ in range(2))
    assert one.id != other.id


def test_times_are_published_in_utc_whatever_their_zone():
    elsewhere = CAPTURED_AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    message = caption_message(described(captured_at=elsewhere), "describe", CAPTURED_AT)
    assert b'"2026-11-23T06:06:13.123Z"' in message.to_json()


def test_a_clock_set_back_gives_no_negative_age():
    message = caption_message(described(), "describe", CAPTURED_AT - timedelta(seconds=3))
    assert message.frame_age_ms == 0


def test_what_is_not_said_is_no_caption_in_the_message_either():
    dark = replace(described(), text="It is too dark to see.", reason="too_dark")
    message = caption_message(dark, "describe", CAPTURED_AT)
    assert (message.event_type, message.reason, message.text) == (
        *("no_caption", "too_dark"), "It is too dark to see.")  # fmt: skip
    assert (message.caption, message.probability, message.n_best) == (None, None, ())
    assert (message.source, message.captured_at) == ("/pictures/dog.jpg", CAPTURED_AT)


def test_things_travel_in_the_caption_s_own_message():
    message = caption_message(replace(described(), things=THINGS), "describe", CAPTURED_AT)
    sent = json.loads(message.to_json())
    assert sent["things"] == THINGS_JSON
    assert (sent["event_type"], sent["caption"]) == ("described", "a dog runs through the grass")
    read = CaptionMessage.model_validate_json(message.to_json(), strict=True)
    assert read.things == message.things


def test_things_are_published_where_the_caption_is_not():
    text = "I am not sure what is happening here. On the left a cat."
    unsure = replace(described(), text=text, reason="unsure", things=THINGS)
    sent = json.loads(caption_message(unsure, "describe", CAPTURED_AT).to_json())
    assert sent["things"] == THINGS_JSON
    assert (sent["caption"], sent["reason"], sent["short_text"]) == (None, "unsure", text)
    assert (sent["event_type"], sent["n_best"]) == ("no_caption", [])


@pytest.mark.parametrize("made_of", [{"caption": caption()}, {"caption": None, "reason": "unsure"}])
def test_every_event_s_message_has_its_things(made_of):
    at = CAPTURED_AT + timedelta(seconds=1)
    answer = Answered(at=at, text="A.", cause=Cause.MQTT, id="q1", things=THINGS, **made_of)
    is_seen = {"caption": made_of["caption"], "things": THINGS}
    narrated = Decided(at=at, is_spoken=True, reason=DecisionReason.FIRST, text="A.", **is_seen)
    alert = Alerted(at=at, rule="cats", text="A.", captured_at=CAPTURED_AT, **is_seen)
    for event in (answer, narrated, alert):
        _, message = event_message(event)
        assert json.loads(message.to_json())["things"] == THINGS_JSON
    assert message.caption == ("" if made_of["caption"] is None else made_of["caption"].text)
    assert message.captured_at == CAPTURED_AT


def test_an_alert_without_a_caption_and_a_frame_s_time_has_its_own():
    _, message = event_message(Alerted(at=CAPTURED_AT, rule="r", text="", caption=None))
    assert message.captured_at == CAPTURED_AT


def test_the_schema_names_the_keys_that_are_sent():
    for name in ("caption", "alert"):
        schema = json.loads(schemas()[f"mqtt-{name}.schema.json"])
        assert set(schema["$defs"]["ThingPart"]["properties"]) == set(THINGS_JSON[0])


@pytest.mark.parametrize("count", [16, 300])
def test_many_things_fit_into_home_assistant_the_surest_first(count):
    many = tuple(thing(f"{number} {'語' * 60}", is_several=True) for number in range(count))
    long_text = "語" * 120
    n_best = tuple(Hypothesis(long_text, -12.3456789, -1.23456789) for _ in range(8))
    seen = replace(described(), text=long_text * 4, things=many)
    seen = replace(seen, caption=replace(seen.caption, n_best=n_best))
    message = caption_message(seen, "describe", CAPTURED_AT)
    assert len(message.to_json()) < MAX_ATTRIBUTES_BYTES - 500
    assert [int(x.name.split()[0].rstrip("…")) for x in message.things] == list(range(16))


def test_a_number_that_json_cannot_carry_is_refused():
    fields = caption_message(described(), "describe", CAPTURED_AT).model_dump()
    with pytest.raises(ValidationError):
        CaptionMessage.model_validate({**fields, "log_probability": float("nan")})


def test_a_subscriber_may_ignore_fields_of_later_versions():
    fields = caption_message(described(), "describe", CAPTURED_AT).model_dump()
    CaptionMessage.model_validate({**fields, "confidence": 0.9})
    assert '"additionalProperties": false' not in schemas()["mqtt-caption.schema.json"]


@given(
    text=st.text(max_size=40),
    source=st.text(max_size=40),
    captured_at=st.datetimes(timezones=st.just(UTC)),
)
def test_any_words_and_names_survive_the_way_through_json(text, source, captured_at):
    """Checked with the model itself, in its strict JSON form, as a subscriber would."""
    sent = caption_message(described(text, source, captured_at), "describe", datetime.now(UTC))
    received = CaptionMessage.model_validate_json(sent.to_json())
    assert received.caption == text
    assert received.source == source
    assert received.captured_at == captured_at.replace(
        microsecond=captured_at.microsecond // 1000 * 1000
    )


def test_a_message_is_marked_late_whatever_its_text_says():
    event = Answered(at=CAPTURED_AT, cause=Cause.BUTTON, text='say "late":false, "late":false')
    _, message = event_message(event)
    late = marked_late(message.to_json())
    assert json.loads(late) == {**json.loads(message.to_json()), "late": True}


# --- the summary -----------------------------------------------------------------------------


def summed_up(groups: int, what: str) -> SummedUp:
    """Return a summary of a week with so many groups of each kind, in an alphabet of 3 bytes."""
    since = CAPTURED_AT - timedelta(days=7)
    some = tuple(Seen(what, number + 1, since, CAPTURED_AT) for number in range(groups))
    parts = tuple(Seen(part.value, 1, since, CAPTURED_AT) for part in Part)
    text = "語" * LONGEST_TEXT_CHARS
    summary = HistorySummary(since, CAPTURED_AT, some, some, parts, text, some)
    return SummedUp(at=CAPTURED_AT, summary=summary, cause=Cause.BUTTON, id="s1")


def test_a_summary_travels_whole_in_one_message():
    message = summary_message(summed_up(2, "a dog"))
    read = SummaryMessage.model_validate_json(message.to_json())
    assert (read.cause, read.request_id, read.left_out) == ("button", "s1", 0)
    assert read.total == 6 + len(Part)
    assert read.until - read.since == timedelta(days=7)
    assert [x.what for x in read.problems] == [part.value for part in Part]
    assert read.things_left_out == 0
    for groups in (read.seen, read.alerts, read.things):
        assert [(x.what, x.times) for x in groups] == [("a dog", 1), ("a dog", 2)]
        assert groups[0].first_at < groups[0].last_at


@pytest.mark.parametrize("groups", [16, 300])
def test_a_long_summary_fits_into_home_assistant_and_counts_what_does_not(groups):
    message = summary_message(summed_up(groups, "語" * 200))
    assert len(message.to_json()) < MAX_ATTRIBUTES_BYTES - 500  # it adds a few of its own
    assert message.total == groups * (groups + 1) + len(Part)
    published = len(message.seen) + len(message.alerts) + len(message.problems)
    assert message.left_out == 2 * groups + len(Part) - published
    assert len(message.things) + message.things_left_out == groups
    assert message.things
    assert len(message.short_text) <= MAX_STATE_CHARS


# --- documents -------------------------------------------------------------------------------


def test_the_published_schemas_are_the_code_s():
    """Made by: python -m seealoud.device.mqtt.schemas docs."""
    published = {x.name: x.read_text() for x in DOCS.glob("mqtt-*.schema.json")}
    assert published == schemas()


@given(text=st.text(alphabet="ab ", max_size=600))
def test_a_text_is_cut_at_a_word(text):
    cut = cut_at_a_word(text)
    assert len(cut) <= MAX_STATE_CHARS
    if len(text) <= MAX_STATE_CHARS:
        assert cut == text
    elif " " in text[:MAX_STATE_CHARS].strip():
        words = cut.removesuffix("…").split()
        assert words == text.split()[: len(words)]


def test_every_topic_is_documented_as_it_is_published():
    rows = [line for line in (DOCS / "mqtt.md").read_text().splitlines() if line.startswith("|")]
    for topic in ALL_TOPICS:
        name = topic.template.format(device_id="<device_id>")
        (row,) = [line for line in rows if line.startswith(f"| `{name}` |")]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == str(topic.qos)
        assert cells[2] == ("yes" if topic.is_retained else "no")
    documented = {topic for line in rows for topic in re.findall(r"`(seealoud/\S+)`", line)}
    assert documented == {x.template.format(device_id="<device_id>") for x in ALL_TOPICS}


def test_every_field_of_the_message_is_documented():
    text = (DOCS / "mqtt.md").read_text()
    for message in MESSAGES.values():
        for name in message.model_fields:
            assert f"| `{name}` |" in text, name
    assert f"`{ONLINE}`" in text
    assert f"`{OFFLINE}`" in text


def test_the_documented_examples_are_valid_messages():
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "mqtt.md").read_text(), re.DOTALL)
    assert blocks
    kinds = {"described": CaptionMessage, "summary": SummaryMessage}
    for block in blocks:
        kinds.pop(json.loads(block)["event_type"]).model_validate_json(block, strict=True)
    assert not kinds


def test_every_mqtt_option_of_the_command_line_is_documented():
    from seealoud.device.commands.describe import describe

    text = (DOCS / "mqtt.md").read_text()
    for parameter in describe.params:
        for option in parameter.opts:
            if option.startswith("--mqtt") or option == "--device-id":
                assert f"`{option}" in text, option
    assert f"`{PASSWORD_VARIABLE}`" in text
