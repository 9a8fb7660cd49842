"""Which events become entries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.captions import THINGS
from support.history_events import (
    answered,
    decided,
)

from seealoud.device.events import DecisionReason
from seealoud.device.history.entries import EntryFilter
from seealoud.device.history.settings import UNSPOKEN_GAP_S


def test_things_that_come_and_go_make_no_new_entry_of_what_is_seen_and_not_said() -> None:
    chosen = EntryFilter()
    unspoken = decided("a sofa", is_spoken=False, reason=DecisionReason.SNOOZED)
    assert chosen.entry_of(replace(unspoken, things=THINGS), 0.0) is not None
    later_s = 2 * UNSPOKEN_GAP_S
    assert chosen.entry_of(replace(unspoken, things=()), later_s) is None
    other = decided("a road", is_spoken=False, reason=DecisionReason.SNOOZED)
    assert chosen.entry_of(other, later_s) is not None


@pytest.mark.parametrize("reason", list(DecisionReason))
def test_keeps_unspoken_captions_only_where_a_pause_held_them_back(reason: DecisionReason) -> None:
    kept = {"narration_off", "snoozed", "quiet_hours", "too_soon"}
    event = decided("a cat", is_spoken=False, reason=reason)
    assert (EntryFilter().entry_of(event, 0.0) is not None) == (reason in kept)


def test_keeps_an_unspoken_caption_once_and_seldom() -> None:
    chosen = EntryFilter()

    def is_kept(text: str, now_s: float) -> bool:
        event = decided(text, is_spoken=False, reason=DecisionReason.SNOOZED)
        return chosen.entry_of(event, now_s) is not None

    assert chosen.entry_of(answered("a cat"), 0.0) is not None
    assert not is_kept("a cat", 1.0)
    assert is_kept("a dog", 2.0)
    assert not is_kept("a horse", 2.0 + UNSPOKEN_GAP_S - 0.1)
    assert is_kept("a horse", 2.0 + UNSPOKEN_GAP_S)
    assert not is_kept("a horse", 2.0 + 5 * UNSPOKEN_GAP_S)
