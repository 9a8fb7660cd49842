"""Settings of the narration: what is refused, and by which name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from seealoud.device.narrator.settings import NarrationRule, NarrationSettings


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"words": []}, "words"),
        ({"words": [""]}, "''"),
        ({"words": ["a*"]}, "'a\\*'"),
        ({"words": ["*"]}, "'\\*'"),
        ({"words": ["d*g"]}, "'d\\*g'"),
        ({"words": ["dog "], "synonyms": [["dog"]]}, "synonyms"),
        ({"synonyms": [["dog", "big dog"]]}, "'big dog'"),
        ({"cooldown_s": -1}, "-1"),
        ({"cooldown_s": "60"}, "60"),
        ({"cooldown_s": True}, "True"),
        ({"is_spoken": 1}, "is_spoken"),
        ({"spoken_text": "{what}"}, "{what}"),
        ({"spoken_text": "{caption"}, "{caption"),
        ({"spoken_text": "{caption.x}"}, "caption.x"),
        ({"spoken_text": "{}"}, "{}"),
        ({"spoken_text": " "}, "says nothing"),
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_value(change, named):
    with pytest.raises(ValidationError, match=named):
        NarrationRule.model_validate({"name": "r", "words": ["dog"], **change})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quiet_hours": ["22-07"]}, "'22-07'"),
        ({"quiet_hours": ["24:00-07:00"]}, "'24:00-07:00'"),
        ({"quiet_hours": ["22:00-22:00"]}, "'22:00-22:00'"),
        ({"quiet_hours": ["22:00-07:00\n"]}, "22:00-07:00"),
        ({"quiet_hours": "22:00-07:00"}, "quiet_hours"),
        ({"minimum_gap_s": float("nan")}, "nan"),
        ({"minimum_gap_s": 4000}, "4000"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"smallest_probability": 2}, "smallest_probability"),
        ({"is_on": "yes"}, "is_on"),
        ({"minimum_gap": 5}, "minimum_gap"),
        (
            {"rules": [{"name": "r", "words": ["a b"]}, {"name": "r", "words": ["dog"]}]},
            "two rules are called 'r'",
        ),
    ],
)
def test_wrong_settings_are_refused_with_their_value(change, named):
    with pytest.raises(ValidationError, match=named):
        NarrationSettings.model_validate(change)


def test_every_setting_is_documented():
    for group in (NarrationSettings, NarrationRule):
        for name, field in group.model_fields.items():
            assert field.description, f"{group.__name__}.{name}"
