"""The error tree of SeeAloud, drawn once.

    SeeAloudError
    ├── ConfigError (ValueError)         a setting or an option is wrong              exit 2
    ├── BundleError (ValueError)         a bundle is missing, broken or not for us    exit 3
    │   └── BundleHashError              a file or the manifest differs from its hash
    ├── PictureError (ValueError)        a picture cannot be found, fetched or read   exit 4
    ├── CameraError (OSError)            a camera cannot be opened or gives no frame  exit 5
    │   ├── FrozenCameraError            its picture no longer changes
    │   └── EndOfReplay                  a recording is over; no camera was lost      exit 0
    ├── InferenceError (RuntimeError)    the runtime failed on a loaded model         exit 6
    ├── SpeechError (RuntimeError)       no sound card, no voice, Piper died          exit 7
    │   ├── VoiceError                   the voice's files are missing or unreadable
    │   └── PlaybackError                the sound card is missing or refused
    ├── BrokerError (ConnectionError)    the MQTT broker is away or refused           exit 8
    ├── TriggerError (OSError)           a button, key or socket cannot be used       exit 9
    ├── RequestError (ValueError)        a request to the daemon is wrong or refused  exit 10
    ├── DaemonError (RuntimeError)       the daemon cannot run, or is not running     exit 11
    │   └── WorkerError                  a worker failed too often or does not end
    ├── HistoryError (RuntimeError)      the history cannot be read or erased         exit 12
    │   └── NewerSchemaError             its file was made by a newer SeeAloud
    └── OutputError (OSError)            a file of results cannot be written          exit 13

Each class carries the exit code with which the command line ends. A message says what was
tried, with which value, and what to do next. Foreign errors are wrapped where they occur.
"""

from __future__ import annotations

import sqlite3
from typing import ClassVar


class SeeAloudError(Exception):
    """Root of every error that SeeAloud raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(SeeAloudError, ValueError):
    """A setting or an option is wrong."""

    exit_code = 2


class BundleError(SeeAloudError, ValueError):
    """A bundle is missing, broken or not for this device."""

    exit_code = 3


class BundleHashError(BundleError):
    """A bundle's file or manifest differs from its hash."""


class PictureError(SeeAloudError, ValueError):
    """A picture cannot be found, fetched or read."""

    exit_code = 4


class CameraError(SeeAloudError, OSError):
    """A camera cannot be opened or gives no frame."""

    exit_code = 5


class FrozenCameraError(CameraError):
    """A camera gives frames, but all of them are the very same picture."""


class EndOfReplay(CameraError):
    """A replay that is not looped has given its last frame; no camera was lost."""

    exit_code = 0


class InferenceError(SeeAloudError, RuntimeError):
    """The runtime failed on a model that had loaded."""

    exit_code = 6


class SpeechError(SeeAloudError, RuntimeError):
    """Speech is not possible."""

    exit_code = 7


class VoiceError(SpeechError):
    """The voice's files are missing or unreadable, or its process died."""


class PlaybackError(SpeechError):
    """The sound card is missing or refused the sound."""


class BrokerError(SeeAloudError, ConnectionError):
    """The MQTT broker is away, refused us or did not confirm."""

    exit_code = 8


class TriggerError(SeeAloudError, OSError):
    """A button, key or socket cannot be used."""

    exit_code = 9


class RequestError(SeeAloudError, ValueError):
    """A request to the daemon is malformed, or was refused."""

    exit_code = 10


class DaemonError(SeeAloudError, RuntimeError):
    """The daemon cannot run, or the one that is asked is not running."""

    exit_code = 11


class WorkerError(DaemonError):
    """A worker failed too often, or does not end."""


class HistoryError(SeeAloudError, RuntimeError):
    """The history cannot be read or erased."""

    exit_code = 12


class NewerSchemaError(HistoryError, sqlite3.DatabaseError):
    """A file of the history was made by a newer SeeAloud."""


class OutputError(SeeAloudError, OSError):
    """A file of results cannot be opened or written."""

    exit_code = 13
