"""Paho's client with limits on what received packets cost, in memory and in time.

In MQTT 3.1.1 a client cannot state the longest packet that it takes, and packets go up to 268 MB;
a broker of MQTT 5 may ignore the limit. Paho has no setting for it and keeps a packet whole. It
also asks the system three times for each packet and waits for the socket before each one, so that
confirmations of the broker come seconds late when somebody publishes as fast as possible.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from seealoud.device.mqtt.inbox import MAX_LARGE_BYTES, is_large

# A broker of MQTT 5 is asked to send no longer ones; others are refused with the reason.
MAX_PACKET_BYTES = 2**24
# Of a longer one only the beginning is kept.
MAX_KEPT_BYTES = 2**16
_MAX_LARGE_KEPT_BYTES = MAX_LARGE_BYTES + MAX_KEPT_BYTES
_READ_BYTES = 2**14
_PUBLISH, _KIND, _KIND_AND_QOS, _RETAIN = 0x30, 0xF0, 0xF6, 0x01
_SEVEN_BITS = 0x7F
_SHORTEST_BYTES = 5
# After so long, what waits to be sent gets its turn.
_LONGEST_READING_S = 0.05


class BoundedClient(paho.Client):
    """Reads many packets at a time, and keeps only the beginning of one that is too long.

    The connection stays, so that one long message does not take the device off the broker. This
    overrides the two methods through which paho reads; ``test_mqtt_packet_size.py`` and
    ``test_mqtt_flood.py`` show with a real broker whether a new version of paho still reads so.
    """

    has_room: Callable[[bytes, bytes, bool], bool] = staticmethod(lambda *_: True)
    large_topic = b""
    _unread = b""
    _unread_at = 0
    _reads_until_s = float("inf")

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Handle all packets that have come, or those of a short time."""
        del max_packets
        self._reads_until_s = time.monotonic() + _LONGEST_READING_S
        while self._sock is not None:
            self._skip_unwanted()
            code = self._packet_read()
            if code == MQTTErrorCode.MQTT_ERR_AGAIN:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if code > 0:
                return self._loop_rc_handle(code)
        return MQTTErrorCode.MQTT_ERR_NO_CONN

    def _skip_unwanted(self) -> None:
        """Pass over whole messages of QoS 0 for which there is no room, a tenth of paho's work."""
        if self._in_packet["command"]:
            return
        data, at = self._unread, self._unread_at
        while len(data) - at >= _SHORTEST_BYTES and data[at] & _KIND_AND_QOS == _PUBLISH:
            length, body = data[at + 1], at + 2
            if length > _SEVEN_BITS:
                length, body = length & _SEVEN_BITS | data[body] << 7, body + 1
            end = body + length
            topic_end = body + 2 + (data[body] << 8 | data[body + 1])
            # Whatever is not simple, or not whole, is left to paho.
            if data[body - 1] > _SEVEN_BITS or not topic_end < end <= len(data):
                break
            payload_at = topic_end
            if self._protocol == MQTTProtocolVersion.MQTTv5:
                payload_at += 1 + data[topic_end]  # what follows are properties, if any
            topic, payload = data[body + 2 : topic_end], data[payload_at:end]
            if payload_at > end or self.has_room(topic, payload, bool(data[at] & _RETAIN)):
                break
            at = end
        self._unread_at = at

    def _sock_recv(self, bufsize: int) -> bytes:
        """Return received bytes; paho appends them to the packet."""
        if self._unread_at == len(self._unread):
            if time.monotonic() > self._reads_until_s:
                raise BlockingIOError  # paho waits for the socket again, and is called at once
            self._unread, self._unread_at = super()._sock_recv(_READ_BYTES), 0
        data = self._unread[self._unread_at : self._unread_at + bufsize]
        self._unread_at += len(data)
        kept = self._in_packet["packet"]
        if len(kept) + len(data) > MAX_KEPT_BYTES:
            del kept[self._most_kept(kept) - len(data) :]
        return data

    def _most_kept(self, packet: bytearray) -> int:
        """Return how much is kept of a long packet, of which the beginning has come."""
        if self._in_packet["command"] & _KIND != _PUBLISH:
            return MAX_KEPT_BYTES
        topic = bytes(packet[2 : 2 + int.from_bytes(packet[:2], "big")])
        return _MAX_LARGE_KEPT_BYTES if is_large(topic, self.large_topic) else MAX_KEPT_BYTES
