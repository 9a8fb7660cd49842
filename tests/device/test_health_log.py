"""The daemon's log: its formats, and what of the events is written at which level."""

from __future__ import annotations

import io
import json
import logging
import os
import re
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from support.captions import THINGS, caption, thing

from seealoud.device.bundles.feed import UpdateChanged
from seealoud.device.events import (
    Alerted,
    Answered,
    Decided,
    DecisionReason,
    Event,
    InViewChanged,
    Part,
    PlaceAnswered,
    PlaceChanged,
    ProblemChanged,
    Requested,
    SettingChanged,
    SpeechOutcome,
    Spoke,
    SummedUp,
)
from seealoud.device.health.event_log import EventLog
from seealoud.device.health.log import FIELDS, LOGGER_NAME, set_up_daemon_logging
from seealoud.device.health.settings import LogSettings
from seealoud.device.pictures.questions import PictureAnswered
from seealoud.device.records import Cause, Description, HistorySummary, Priority, Seen, Utterance

AT = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
LOGGER = logging.getLogger("seealoud.device.camera.grabber")
FORMATS = ("text", "json", "journal")


@pytest.fixture(autouse=True)
def _as_before():
    """Give the package's logger back as it was."""
    logger = logging.getLogger(LOGGER_NAME)
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def _log_to(**settings) -> io.StringIO:
    stream = io.StringIO()
    set_up_daemon_logging(LogSettings(**settings), stream, {})
    return stream


def _fail(message: str) -> NoReturn:
    raise RuntimeError(message)


# --- formats ----------------------------------------------------------------------------------


def test_text_is_one_line_with_time_level_and_name():
    stream = _log_to(format="text")
    LOGGER.warning("the camera %s is gone", "camera:0")
    line = stream.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d [\d:,]+ WARNING seealoud\.device\.camera\.grabber: "
        r"the camera camera:0 is gone\n",
        line,
    )


def test_json_is_one_object_a_line_with_the_values():
    stream = _log_to(format="json")
    LOGGER.info("gone", extra={FIELDS: {"part": "camera", "level": "not the log's", "path": AT}})
    (line,) = stream.getvalue().splitlines()
    values = json.loads(line)
    assert values["message"] == "gone"
    assert values["level"] == "info"  # a value cannot pose as the log's own
    assert values["part"] == "camera"
    assert values["path"] == str(AT)
    assert datetime.fromisoformat(values["time"]).tzinfo is not None


@pytest.mark.parametrize(
    ("level", "prefix"),
    [
        (logging.CRITICAL, "<2>"),
        (logging.ERROR, "<3>"),
        (logging.WARNING, "<4>"),
        (logging.INFO, "<6>"),
        (logging.DEBUG, "<7>"),
    ],
)
def test_the_journal_gets_a_priority(level, prefix):
    stream = _log_to(format="journal", level="debug")
    LOGGER.log(level, "hello")
    assert stream.getvalue() == f"{prefix}seealoud.device.camera.grabber: hello\n"


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_traceback_is_kept_and_each_of_its_lines_has_the_priority(format_name):
    stream = _log_to(format=format_name)
    try:
        _fail("worn out\x1b[2J")
    except RuntimeError:
        LOGGER.exception("a step failed")
    text = stream.getvalue()
    assert "RuntimeError: worn out" in text
    assert "\x1b" not in text
    if format_name == "journal":
        assert all(line.startswith("<3>") for line in text.splitlines())
    if format_name == "json":
        assert "worn out" in json.loads(text)["traceback"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_text_cannot_add_lines_or_control_the_terminal(format_name):
    stream = _log_to(format=format_name)
    LOGGER.info("%s", "hello\n<0>kernel: fire\x1b[2J\r\u2028end")
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("format_name", FORMATS)
def test_less_important_lines_than_the_level_are_left_out(format_name):
    stream = _log_to(format=format_name, level="warning")
    LOGGER.info("quiet")
    assert not stream.getvalue()
    LOGGER.warning("loud")
    assert "loud" in stream.getvalue()


def test_setting_up_again_replaces_the_first():
    first = _log_to(format="text")
    second = _log_to(format="text")
    LOGGER.warning("once")
    assert not first.getvalue()
    assert second.getvalue().count("once") == 1


def test_auto_is_the_journal_only_if_the_stream_still_goes_there(tmp_path):
    with (tmp_path / "stderr").open("w+") as stream:
        status = os.fstat(stream.fileno())
        here = f"{status.st_dev}:{status.st_ino}"
        for variable, prefix in ((here, "<4>"), ("1:1", "2"), ("", "2"), (f"{here}0", "2")):
            stream.seek(0)
            stream.truncate()
            set_up_daemon_logging(LogSettings(), stream, {"JOURNAL_STREAM": variable})
            LOGGER.warning("hello")
            assert (tmp_path / "stderr").read_text().startswith(prefix), variable


def test_auto_takes_a_stream_without_a_file():
    stream = io.StringIO()
    set_up_daemon_logging(LogSettings(), stream, {"JOURNAL_STREAM": "1:2"})
    LOGGER.warning("hello")
    assert "WARNING" in stream.getvalue()


# --- events -----------------------------------------------------------------------------------

SECRET = "a man robs a bank"


def _every_event() -> list[Event]:
    line = caption(SECRET)
    utterance = Utterance(f"{SECRET}.", Priority.ANSWER, Cause.BUTTON)
    seen = (Seen(SECRET, 2, AT, AT),)
    summary = HistorySummary(AT, AT, seen, (), (), SECRET)
    return [
        Requested(at=AT, action="describe", cause=Cause.BUTTON, is_accepted=True),
        Answered(
            at=AT,
            text=SECRET,
            cause=Cause.BUTTON,
            caption=line,
            probability=0.5,
            things=(thing(SECRET),),
        ),
        Decided(
            at=AT,
            is_spoken=True,
            reason=DecisionReason.CHANGED,
            text=SECRET,
            detail=SECRET,
            caption=line,
            things=(thing(SECRET),),
        ),
        Alerted(at=AT, rule="robber", text=SECRET, caption=line, things=(thing(SECRET),)),
        InViewChanged(at=AT, rules={"robber": True, "cat": None}),
        PlaceChanged(at=AT, place=SECRET, known=(SECRET,)),
        PlaceAnswered(at=AT, text=SECRET, cause=Cause.BUTTON),
        Spoke(at=AT, utterance=utterance, outcome=SpeechOutcome.HEARD, first_sample_s=0.3),
        ProblemChanged(at=AT, part=Part.CAMERA, is_problem=True, text="camera:0 is gone"),
        SettingChanged(at=AT, name="volume", value=0.5, cause=Cause.MQTT),
        SummedUp(at=AT, summary=summary, cause=Cause.BUTTON),
        UpdateChanged(at=AT, installed="homes", latest="homes-2"),
        PictureAnswered(
            at=AT, description=Description(SECRET, caption=line, probability=0.5), cause=Cause.MQTT
        ),
    ]


def _objects(events: list[Event], level: str = "debug") -> list[dict]:
    stream = _log_to(format="json", level=level)
    log = EventLog()
    for event in events:
        log.accept(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_kind_of_event_is_written():
    kinds = {type(event).__name__ for event in _every_event()}
    assert kinds == {kind.__name__ for kind in Event.__subclasses__()}
    assert {values["event"] for values in _objects(_every_event())} == kinds


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_word_that_was_seen_or_said_is_above_debug(format_name):
    stream = _log_to(format=format_name, level="info")
    log = EventLog()
    for event in _every_event():
        log.accept(event)
    assert stream.getvalue()
    assert "robs" not in stream.getvalue()


def test_debug_has_the_words():
    texts = [values.get("text") for values in _objects(_every_event())]
    assert texts.count(SECRET) == 6


def test_an_answer_s_things_are_counted_above_debug_and_named_within():
    answered = Answered(at=AT, text="x", cause=Cause.MQTT, reason="unsure", things=THINGS)
    (line,) = _objects([answered], "info")
    assert line["things"] == 4
    assert "toaster" not in json.dumps(line)
    *_, named = _objects([answered], "debug")
    assert named["names"] == ["cat", "bowl", "oven", "toaster"]
    assert "toaster" in named["message"]
    (plain,) = _objects([Answered(at=AT, text="x", cause=Cause.MQTT)], "info")
    assert "things" not in plain


def test_an_answer_has_its_timings():
    line = caption()
    answered = Answered(
        at=AT, text="x", cause=Cause.MQTT, caption=line, probability=0.75, frame_age_s=0.1, id="a7"
    )
    (values,) = _objects([answered], "info")
    assert values["cause"] == "mqtt"
    assert values["encoder_ms"] == line.timings.encoder_ms
    assert (values["probability"], values["frame_age_s"], values["id"]) == (0.75, 0.1, "a7")


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (ProblemChanged(at=AT, part=Part.SOUND, is_problem=True, text="no card"), "warning"),
        (ProblemChanged(at=AT, part=Part.SOUND, is_problem=False, text="is back"), "info"),
        (
            Requested(at=AT, action="say", cause=Cause.MQTT, is_accepted=False, reason="too long"),
            "warning",
        ),
        (Requested(at=AT, action="say", cause=Cause.MQTT, is_accepted=True), "info"),
        (
            Spoke(
                at=AT,
                utterance=Utterance("x", Priority.ALERT, Cause.NARRATION),
                outcome=SpeechOutcome.FAILED,
                detail="Piper died",
            ),
            "warning",
        ),
    ],
)
def test_what_went_wrong_is_a_warning(event, level):
    (values,) = _objects([event], "info")
    assert values["level"] == level


def _logged_reasons(reasons: list[DecisionReason]) -> list[str]:
    events = [Decided(at=AT, is_spoken=False, reason=reason) for reason in reasons]
    return [values["reason"] for values in _objects(list(events), "info")]


def test_only_a_change_of_reason_is_logged():
    r = DecisionReason
    assert _logged_reasons([r.FIRST, *[r.PICTURE_SAME] * 50, r.CHANGED, r.PICTURE_SAME]) == [
        "first",
        "picture_same",
        "changed",
        "picture_same",
    ]


def test_noise_between_the_stages_that_say_nothing_new_is_no_change():
    r = DecisionReason
    assert _logged_reasons([r.PICTURE_SAME, r.FEATURES_SAME, r.TEXT_SAME] * 9) == ["picture_same"]


def test_a_change_says_how_many_frames_it_took():
    r = DecisionReason
    frames = [*[r.QUIET_HOURS] * 5, r.FIRST]
    *_, last = _objects([Decided(at=AT, is_spoken=False, reason=x) for x in frames], "info")
    assert "after 4 frames of quiet_hours" in last["message"]
