"""Kinds of press: the table of the module, bounces, lateness, and what holds of any edges."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.triggers.press import (
    USUAL_TIMING,
    PressClassifier,
    PressEvent,
    PressKind,
    PressTiming,
)
from seealoud.device.triggers.settings import ButtonSettings

TIMING = PressTiming(bounce_s=0.03, double_s=0.35, long_s=0.8, very_long_s=5.0)
NO_DOUBLE = replace(TIMING, double_s=0.0)
NO_LONG = replace(TIMING, long_s=math.inf)
ONLY_SHORT = PressTiming(bounce_s=0.03, double_s=0.0, long_s=math.inf, very_long_s=math.inf)
NEVER_S = 1e6
ENDS = {PressKind.SHORT, PressKind.DOUBLE, PressKind.LONG, PressKind.VERY_LONG}


def played(timing: PressTiming, edges: str) -> list[tuple[float, str]]:
    """Return each event with its time, polled exactly at each deadline.

    Args:
        timing: of the classifier.
        edges: as in ``"down 0, up 0.1"``.
    """
    classifier, reported = PressClassifier(timing), []

    def note(at_s: float, events: list[PressEvent]) -> None:
        reported.extend((round(at_s, 6), event.kind.value) for event in events)

    def poll_until(end_s: float) -> None:
        nonlocal now_s
        while (due_s := classifier.deadline_s) <= end_s:
            now_s = max(now_s, due_s)
            note(now_s, classifier.poll(now_s))

    now_s = 0.0
    for edge in edges.split(", "):
        name, at = edge.split()
        poll_until(float(at))
        now_s = float(at)
        note(now_s, getattr(classifier, name)(now_s))
    poll_until(NEVER_S)
    return reported


@pytest.mark.parametrize(
    ("timing", "edges", "expected"),
    [
        (TIMING, "down 0, up 0.1", [(0, "down"), (0.45, "short")]),
        (NO_DOUBLE, "down 0, up 0.1", [(0, "down"), (0.13, "short")]),
        (
            TIMING,
            "down 0, up 0.1, down 0.3, up 0.4",
            [(0, "down"), (0.3, "down"), (0.3, "double")],
        ),
        (
            TIMING,
            "down 0, up 0.1, down 0.5, up 0.6",
            [(0, "down"), (0.45, "short"), (0.5, "down"), (0.95, "short")],
        ),
        (TIMING, "down 0, up 1", [(0, "down"), (0.8, "hold"), (1.03, "long")]),
        (TIMING, "down 0, up 9", [(0, "down"), (0.8, "hold"), (5, "very_long")]),
        (TIMING, "down 0", [(0, "down"), (0.8, "hold"), (5, "very_long")]),  # stuck
        (NO_LONG, "down 0, up 2", [(0, "down"), (2.35, "short")]),
        (NO_LONG, "down 0, up 6", [(0, "down"), (5, "very_long")]),
        (ONLY_SHORT, "down 0, up 60", [(0, "down"), (60.03, "short")]),
        # The second press of two is a double however long it is held.
        (TIMING, "down 0, up 0.1, down 0.3, up 9", [(0, "down"), (0.3, "down"), (0.3, "double")]),
        # Three quick presses are a double and a short one.
        (
            TIMING,
            "down 0, up 0.1, down 0.2, up 0.3, down 0.4, up 0.5",
            [(0, "down"), (0.2, "down"), (0.2, "double"), (0.4, "down"), (0.85, "short")],
        ),
    ],
)
def test_the_rules(timing: PressTiming, edges: str, expected: list[tuple[float, str]]) -> None:
    assert played(timing, edges) == [(float(at_s), kind) for at_s, kind in expected]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        # Contacts bounce when they close and when they open.
        (
            "down 0, up 0.002, down 0.004, up 0.006, down 0.01, up 0.1, down 0.11, up 0.12",
            [(0, "down"), (0.47, "short")],
        ),
        # A worn button loses contact while it is held, also at the very threshold.
        (
            "down 0, up 0.79, down 0.81, up 1.5",
            [(0, "down"), (0.81, "hold"), (1.53, "long")],
        ),
        # A tap that is shorter than a bounce is a press nevertheless.
        ("down 0, up 0.001", [(0, "down"), (0.351, "short")]),
        # A press that ended just before the threshold was short, whenever that became certain.
        ("down 0, up 0.79", [(0, "down"), (1.14, "short")]),
        # Lost and repeated edges.
        ("up 0, down 1, down 1.05, up 1.1, up 1.2", [(1, "down"), (1.45, "short")]),
    ],
)
def test_bounces_and_odd_edges(edges: str, expected: list[tuple[float, str]]) -> None:
    assert played(TIMING, edges) == [(float(at_s), kind) for at_s, kind in expected]


def test_no_time_is_spent_on_a_press_that_does_nothing() -> None:
    assert USUAL_TIMING == TIMING
    assert USUAL_TIMING.for_actions(ButtonSettings()) == TIMING
    none = ButtonSettings(double_press="none", long_press="none", very_long_press="none")
    assert USUAL_TIMING.for_actions(none) == ONLY_SHORT


def test_a_factor_gives_every_press_more_time() -> None:
    assert USUAL_TIMING.scaled(2) == PressTiming(0.06, 0.7, 1.6, 10.0)


def test_an_event_has_the_time_at_which_its_press_began() -> None:
    classifier = PressClassifier(TIMING)
    events = [*classifier.down(10.0), *classifier.up(10.1), *classifier.down(10.3)]
    assert [(event.kind, event.pressed_s) for event in events] == [
        (PressKind.DOWN, 10.0),
        (PressKind.DOWN, 10.3),
        (PressKind.DOUBLE, 10.3),
    ]
    long = PressClassifier(TIMING)
    events = [*long.down(20.0), *long.up(21.0), *long.poll(22.0)]
    assert [event.pressed_s for event in events] == [20.0, 20.0, 20.0]


def test_time_never_goes_back() -> None:
    classifier = PressClassifier(TIMING)
    assert [event.pressed_s for event in classifier.down(5.0)] == [5.0]
    classifier.up(4.0)
    assert classifier.deadline_s == pytest.approx(5.03)


_TIMINGS = st.builds(
    PressTiming,
    bounce_s=st.sampled_from([0.0, 0.01, 0.03, 0.2]),
    double_s=st.sampled_from([0.0, 0.05, 0.35]),
    long_s=st.sampled_from([0.8, 2.0, math.inf]),
    very_long_s=st.sampled_from([2.5, 5.0, math.inf]),
)
_GAPS_S = st.one_of(
    st.floats(0, 8, allow_nan=False),
    st.sampled_from([0.0, 0.001, 0.01, 0.03, 0.05, 0.35, 0.8, 2.0, 2.5, 5.0]),
)
_EDGES = st.lists(st.tuples(_GAPS_S, st.booleans()), max_size=40)


def _at_times(edges: list[tuple[float, bool]]) -> list[tuple[float, bool]]:
    at_s, timed = 0.0, []
    for gap_s, is_down in edges:
        at_s += gap_s
        timed.append((at_s, is_down))
    return timed


def _reported(timing: PressTiming, edges: list[tuple[float, bool]]) -> list[PressEvent]:
    classifier, events = PressClassifier(timing), []
    for at_s, is_down in _at_times(edges):
        events += classifier.down(at_s) if is_down else classifier.up(at_s)
    events += classifier.up(NEVER_S)  # a finger lets go in the end
    return events + classifier.poll(2 * NEVER_S)


@given(_TIMINGS, _EDGES)
def test_every_press_is_answered_once_whatever_the_edges(
    timing: PressTiming, edges: list[tuple[float, bool]]
) -> None:
    events = _reported(timing, edges)
    presses = sum(event.kind is PressKind.DOWN for event in events)
    ends = [event.kind for event in events if event.kind in ENDS]
    spent = sum(2 if kind is PressKind.DOUBLE else 1 for kind in ends)
    assert spent == presses
    waiting = 0  # no event is reported without a press at any time
    for event in events:
        waiting += event.kind is PressKind.DOWN
        if event.kind in ENDS:
            waiting -= 2 if event.kind is PressKind.DOUBLE else 1
        assert 0 <= waiting <= 2


@given(_TIMINGS, _EDGES)
def test_a_first_down_is_always_felt_at_once(
    timing: PressTiming, edges: list[tuple[float, bool]]
) -> None:
    """Whatever came before: after a rest, the next down is a press at that very moment."""
    classifier = PressClassifier(timing)
    for at_s, is_down in _at_times(edges):
        classifier.down(at_s) if is_down else classifier.up(at_s)
    classifier.up(NEVER_S)
    classifier.poll(2 * NEVER_S)
    assert classifier.deadline_s == math.inf
    assert classifier.down(3 * NEVER_S) == [PressEvent(PressKind.DOWN, 3 * NEVER_S)]


@given(_TIMINGS, _EDGES)
def test_between_two_presses_the_button_was_let_go_for_longer_than_a_bounce(
    timing: PressTiming, edges: list[tuple[float, bool]]
) -> None:
    downs_s = [
        event.pressed_s for event in _reported(timing, edges) if event.kind is PressKind.DOWN
    ]
    timed = _at_times(edges)
    for before_s, after_s in pairwise(downs_s):
        # The level between the two presses, edge by edge.
        inside = [(at_s, is_down) for at_s, is_down in timed if before_s <= at_s <= after_s]
        rest_s, up_s = 0.0, None
        for at_s, is_down in inside:
            if is_down:
                rest_s, up_s = max(rest_s, at_s - up_s if up_s is not None else 0.0), None
            elif up_s is None:
                up_s = at_s
        assert rest_s >= timing.bounce_s or math.isclose(rest_s, timing.bounce_s, abs_tol=1e-9)


@given(_TIMINGS, _EDGES, st.lists(st.floats(0, 60, allow_nan=False), max_size=60))
def test_it_does_not_matter_when_and_how_often_it_is_polled(
    timing: PressTiming, edges: list[tuple[float, bool]], polls_s: list[float]
) -> None:
    timed = [(at_s, 0, is_down) for at_s, is_down in _at_times(edges)]
    # At the same moment the edge comes first, or a poll would be what decides.
    steps = sorted([*timed, *((at_s, 1, False) for at_s in polls_s)], key=lambda x: x[:2])
    classifier, events = PressClassifier(timing), []
    for at_s, is_poll, is_down in steps:
        if is_poll:
            events += classifier.poll(at_s)
        else:
            events += classifier.down(at_s) if is_down else classifier.up(at_s)
    events += [*classifier.up(NEVER_S), *classifier.poll(2 * NEVER_S)]
    assert events == _reported(timing, edges)
