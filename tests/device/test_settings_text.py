"""Values as TOML text, and what is never shown of a setting."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.settings.toml_text import (
    MASK,
    holds_sign_in,
    is_secret_name,
    masked,
    masked_text,
    toml_key,
    toml_value,
)

TEXTS = st.text(max_size=20)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.sampled_from(["\x7f", '"\\\b\f\n\r\t\x00', "ä 😀", "'''"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
)


@given(st.dictionaries(TEXTS, VALUES, max_size=3))
def test_tomllib_reads_back_what_was_written(values):
    text = "\n".join(f"{toml_key(key)} = {toml_value(value)}" for key, value in values.items())
    assert tomllib.loads(text) == values


def test_true_is_not_1():
    assert (toml_value(True), toml_value(1), toml_value(1.0)) == ("true", "1", "1.0")


@pytest.mark.parametrize("value", [None, b"x", {1}])
def test_what_toml_lacks_is_refused(value):
    with pytest.raises(TypeError, match="TOML has no"):
        toml_value(value)


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("password", True),
        ("mqtt_password", True),
        ("Token", True),
        ("api_key", True),
        ("password_file", False),
        ("token_file", False),
        ("volume", False),
        ("key_file", False),
    ],
)
def test_secret_names(name, is_secret):
    assert is_secret_name(name) is is_secret
    assert (masked(name, "abc") == MASK) is is_secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("camera:0", "camera:0"),
        ("/home/ann@work/x", "/home/ann@work/x"),
        ("rtsp://cam/stream1", "rtsp://cam/stream1"),
        ("rtsp://ann:hunter2@cam:554/stream1", "rtsp://***@cam:554/stream1"),
        ("rtsp://ann:hun@ter/2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://ann:hun ter 2@cam/1", "rtsp://***@cam/1"),
        ("rtsp//ann:hunter2@cam", "rtsp//***@cam"),
        ("http://cam/x?user=ann&password=hunter2", "http://cam/x?user=***&password=***"),
    ],
)
def test_an_address_is_shown_without_what_signs_in(text, shown):
    assert masked_text(text) == shown
    assert holds_sign_in(text) is (text != shown)
    assert masked("source", text) == shown
    assert masked("sources", [{"deep": [text]}]) == [{"deep": [shown]}]


@given(st.text("abc:@/?&= ", max_size=12), st.text("abc:@/?&= \n", max_size=12))
def test_no_password_is_shown_whatever_is_around_it(before, after):
    assert "hunter2" not in masked_text(f"{before}rtsp://u:{after}hunter2@cam/x")
