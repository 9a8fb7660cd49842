"""The slot between threads: newest wins, drops are counted, nobody waits for ever."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from device.mailbox import Mailbox

WAIT_S = 30.0


@given(st.lists(st.one_of(st.integers(), st.just("take"))))
def test_it_holds_the_newest_and_counts_the_rest(actions: list[int | str]) -> None:
    box: Mailbox[int] = Mailbox()
    newest: int | None = None
    drops = 0
    for action in actions:
        if isinstance(action, int):
            drops += newest is not None
            newest = action
            box.put(action)
        else:
            assert box.take(0) == newest
            newest = None
        assert box.is_empty == (newest is None)
    assert box.drops == drops


def test_whoever_waits_gets_the_value_at_once() -> None:
    box: Mailbox[str] = Mailbox()
    taken: list[str | None] = []
    waiter = threading.Thread(target=lambda: taken.append(box.take(WAIT_S)))
    waiter.start()
    box.put("frame")
    waiter.join(WAIT_S)
    assert taken == ["frame"]


def test_closing_lets_everyone_go() -> None:
    box: Mailbox[str] = Mailbox()
    waiter = threading.Thread(target=lambda: box.take(WAIT_S))
    waiter.start()
    began_s = time.monotonic()
    box.close()
    waiter.join(WAIT_S)
    assert time.monotonic() - began_s < WAIT_S / 2
    assert box.take(WAIT_S) is None
