"""TLS towards the broker: always verified, never below 1.2; only this module loads certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

from device.errors import ConfigError
from device.mqtt.settings import TlsSettings


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context in which the broker's certificate and host name are checked.

    Raises:
        ConfigError: a file is missing or holds something else than it should.
    """
    if settings.key_file is not None and settings.cert_file is None:
        raise ConfigError("an MQTT key needs its certificate: give --mqtt-cert as well")
    for file in (settings.ca_file, settings.cert_file, settings.key_file):
        _require_readable(file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as exc:
        raise ConfigError(f"MQTT CA file {settings.ca_file} holds no PEM certificate") from exc
    context.sslsocket_class = _ClosingSocket
    if settings.cert_file is not None:
        _load_own(context, settings.cert_file, settings.key_file)
    return context


def _load_own(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    """Load our certificate and its key."""
    try:
        # An empty password instead of OpenSSL's question on the terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as exc:
        raise ConfigError(
            f"MQTT certificate {cert_file} and key {key_file or cert_file} do not fit together, "
            "are no PEM files, or the key has a passphrase"
        ) from exc


def _require_readable(file: Path | None) -> None:
    if file is None:
        return
    try:
        with file.open("rb"):
            pass
    except OSError as exc:
        raise ConfigError(f"MQTT file {file} cannot be read: {exc.strerror}") from exc
