"""Paho's client with a limit on the memory that one received packet takes.

MQTT 3.1.1 cannot tell the broker what is too long, and packets go up to 268 MB; a broker of MQTT 5
may ignore the limit that it was given. Paho has no setting for it and keeps a packet whole.
"""

from __future__ import annotations

import paho.mqtt.client as paho

# A broker of MQTT 5 is asked to send no longer ones; of others only the beginning is kept.
MAX_PACKET_BYTES = 2**16
_READ_BYTES = 2**14


class BoundedClient(paho.Client):
    """Keeps the beginning of a packet that is too long, and reads the rest without keeping it.

    The connection stays, so that one long message does not take the device off the broker. This
    overrides the one method through which paho reads; ``test_mqtt_packet_size.py`` shows with a
    real broker whether a new version of paho still reads in this way.
    """

    def _sock_recv(self, bufsize: int) -> bytes:
        """Return received bytes; paho appends them to the packet."""
        data = super()._sock_recv(min(bufsize, _READ_BYTES))
        kept = self._in_packet["packet"]
        if len(kept) + len(data) > MAX_PACKET_BYTES:
            del kept[MAX_PACKET_BYTES - len(data) :]
        return data
