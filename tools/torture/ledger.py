"""What is kept where: ids in the daemon's files, and ids that a subscriber has received."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from seealoud.device.history.schema import HISTORY_FILE, OUTBOX_FILE, companions
from tools.broker import HOST

_SUBSCRIBED_S = 30.0


def stored_ids(state: Path) -> tuple[set[str], set[str]]:
    """Return the ids of all entries of the history and of all messages in the outbox."""
    return _ids(state / HISTORY_FILE, "entry"), _ids(state / OUTBOX_FILE, "message")


def _ids(path: Path, table: str) -> set[str]:
    # A copy: opening the file itself would recover it in the daemon's place.
    with tempfile.TemporaryDirectory() as folder:
        for file in companions(path):
            if file.exists() and not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        copy = Path(folder) / path.name
        if not copy.exists():
            return set()
        with closing(sqlite3.connect(copy)) as connection:
            try:
                return {str(row[0]) for row in connection.execute(f"SELECT id FROM {table}")}
            except sqlite3.OperationalError:  # killed before the tables were made
                return set()


class Subscriber:
    """Receives what the device publishes, in a session that the broker keeps while it is away.

    Attributes:
        messages: what was received, by the end of its topic, in order; whole JSON objects only.
    """

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._is_subscribed = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("seealoud/#", qos=1)
        self._client.on_subscribe = lambda *_: self._is_subscribed.set()
        self._client.on_message = self._take
        self._client.connect(HOST, port)
        self._client.loop_start()
        self._is_subscribed.wait(_SUBSCRIBED_S)

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:
            values = json.loads(message.payload)
        except ValueError:
            return  # the availability
        if isinstance(values, dict) and not message.retain:
            self.messages.append((message.topic.rpartition("/")[2], values))

    def ids(self, topic: str = "", key: str = "id") -> Counter[str]:
        """Return how often each id was received, on one topic or on all."""
        found = list(self.messages)
        return Counter(str(v[key]) for t, v in found if topic in ("", t) and v.get(key))

    def close(self) -> None:
        """Stop receiving."""
        self._client.disconnect()
        self._client.loop_stop()
