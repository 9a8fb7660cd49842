"""Commands and lines that attackers send: odd values in a valid shape, broken shapes, and noise.

A seed gives the same ones again. About a third are valid and are carried out.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

_PATHS = (
    *("\0", "~nosuchuser/x", "~", "/", "", ".", "..", "a\0b", "/dev/null", "/proc/self/mem"),
    *("/" + "x" * 300, "/x" * 3000, "\x1b[2J", "\n", "~nosuchuser", "/tmp/\x7f", "-", "\ud7ff"),
)
_ACTIONS = (
    *("describe", "repeat", "stop", "say", "narrate", "snooze", "mute", "privacy", "set"),
    *("self_check", "status", "summary"),
)
_NAMES = ("volume", "rate", "minimum_gap_s", "snooze_min", "voice")
_ODD_NUMBERS = ("nan", "inf", "-inf", "1e400", "-0.0", "1" * 400, "٣", "1_0", "0x1", " 1 ")
_BROKEN = (
    *(b"[" * 4000, b'{"a":' * 600, b"\xff", b"", b"x" * 5000, b"null", b"1" * 4096, b"{}"),
    *(b'{"action":', b'{"action":"say","text":"\\ud800"}', b'"\\u0000"', b"\x00" * 100),
    b'{"action":"status","action":"stop"}',
)
_TOPICS = (
    *("narration/set", "mute/set", "privacy/set", "volume/set", "rate/set", "minimum_gap_s/set"),
    *("snooze_min/set", "voice/set", "say/set", "nothing/set", "\0/set"),
)
_NOISE_BYTES = 200


def hostile_command(rng: random.Random) -> tuple[str, bytes, bool]:
    """Return the end of a topic, a payload, and whether it is retained."""
    is_retained = rng.random() < 0.03
    if rng.random() < 0.6:
        return "command", _json_line(rng), is_retained
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: str(_number(rng)).encode(),
        lambda: rng.choice((b"ON", b"OFF", b"on", b"Built-in", b"0.5", b"1", b"10")),
        lambda: _value_text(rng).encode("utf-8", "surrogatepass"),
        lambda: rng.randbytes(rng.randrange(_NOISE_BYTES)),
    )
    return rng.choice(_TOPICS), rng.choice(kinds)(), is_retained


def hostile_line(rng: random.Random) -> bytes:
    """Return a line for the control socket, mostly with its end."""
    line = _json_line(rng)
    return line + rng.choice((b"\n", b"\n", b"\n", b"", b"\r\n", b"\n\n", b"\n" + line + b"\n"))


def _json_line(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice(_BROKEN)
    if kind < 0.2:
        return rng.randbytes(rng.randrange(_NOISE_BYTES)).replace(b"\n", b"")
    data = json.dumps(_valid(rng) if kind < 0.55 else _odd(rng)).encode()
    if kind > 0.95 and data:  # one byte is wrong, or the end is missing
        place = rng.randrange(len(data))
        data = data[:place] + rng.choice((b"", rng.randbytes(1) + data[place + 1 :]))
    return data


def _valid(rng: random.Random) -> dict[str, Any]:
    """Return a request that the daemon accepts."""
    action = rng.choice(_ACTIONS)
    more: dict[str, dict[str, Any]] = {
        "say": {"text": _words(rng)},
        "narrate": {"is_on": rng.random() < 0.5},
        "snooze": {"minutes": rng.choice((0, 0.001, 1))},
        "mute": {"is_on": rng.random() < 0.3},
        "privacy": {"is_on": rng.random() < 0.3},
        "set": {"name": "volume", "value": round(rng.random(), 2)},
        "summary": {"minutes": rng.choice((1, 60, 10080))},
    }
    return {"action": action, **more.get(action, {}), "id": f"v{rng.randrange(10**6)}"}


def _odd(rng: random.Random) -> dict[str, Any]:
    """Return a request with some values that nobody would send."""
    request: dict[str, Any] = {"action": rng.choice((*_ACTIONS, "", "\0", "reload"))}
    choices: dict[str, Callable[[], Any]] = {
        "name": lambda: rng.choice((*_NAMES, "", "bundle")),
        "value": lambda: _value(rng),
        "text": lambda: rng.choice((_words(rng), _value_text(rng), "x" * 600)),
        "minutes": lambda: _value(rng),
        "is_on": lambda: _value(rng),
        "id": lambda: rng.choice((_value_text(rng)[:70], rng.randrange(100))),
        "more": lambda: None,
    }
    for key, make in choices.items():
        if rng.random() < 0.35:
            request[key] = make()
    return request


def _value(rng: random.Random) -> Any:
    return rng.choice(
        (_number(rng), _value_text(rng), rng.random() < 0.5, None, [rng.randrange(9)], {"a": 1})
    )


def _value_text(rng: random.Random) -> str:
    return rng.choice((rng.choice(_PATHS), rng.choice(_ODD_NUMBERS), _words(rng)))


def _number(rng: random.Random) -> float | int:
    return rng.choice((0, 1, -1, 1e308, 0.5, 10.0, rng.uniform(-1e6, 1e6), rng.randrange(10**30)))


def _words(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return rng.choice(("A dog runs.", "Dinner is ready.", "Wer da?"))
    return "".join(chr(rng.choice((32, 65, 0x301, 0x202E, 0x1F600, 0x4E2D, 7))) for _ in range(20))
