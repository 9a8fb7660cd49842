"""The voice that speaks: opened, replaced by another one, or given up for the built-in one.

Invariant: a voice is replaced only by one that has been opened, and closed only between two
utterances, because it may still be speaking.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from seealoud.device.errors import VoiceError
from seealoud.device.speech.delivery import Delivery
from seealoud.device.speech.voice import Voice

_LOGGER = logging.getLogger(__name__)
OpenVoice = Callable[[str | None], Voice]


class ChosenVoice:
    """From any thread, except where a method says otherwise.

    Args:
        delivery: speaks with it.
        path: of the voice; None is the built-in one.
        open_voice: opens the voice at a path.
    """

    def __init__(self, delivery: Delivery, path: str | None, open_voice: OpenVoice) -> None:
        self._delivery = delivery
        self._path = path
        self._open_voice = open_voice
        self._change = threading.Lock()
        self._retired: list[Voice] = []

    def warm(self) -> None:
        """Begin to load the voice where there is none; one without its files is a problem."""
        with self._change:
            if self._delivery.voice is None:
                self._begin()

    def use(self, path: str | None) -> None:
        """Use another voice from the next utterance on; the old one is used until it is loaded.

        Raises:
            VoiceError: it cannot be used; the old one stays in use.
        """
        with self._change:
            if path == self._path and self._delivery.has_voice:
                return
            voice = self._open_voice(path)
            try:
                voice.start()
            except VoiceError:
                voice.close()
                raise
            self._path = path
            self._replace(voice)

    def fall_back(self) -> bool:
        """Use the built-in voice in place of one that cannot speak; return whether there is one.

        Until the next start, or until another voice is chosen.
        """
        with self._change:
            if self._path is None:
                return False
            _LOGGER.warning("the voice %s cannot speak: the built-in one is used", self._path)
            self._path = None
            return self._begin()

    def close_retired(self) -> None:
        """Close those that were replaced; in the thread that speaks, between two utterances."""
        with self._change:
            retired, self._retired = self._retired, []
        for voice in retired:
            voice.close()

    def _begin(self) -> bool:
        try:
            voice = self._open_voice(self._path)
            voice.warm()
        except VoiceError as exc:
            self._delivery.voice_failed(exc)
            return False
        self._replace(voice)
        return True

    def _replace(self, voice: Voice) -> None:
        old, self._delivery.voice = self._delivery.voice, voice
        self._delivery.voice_replaced()
        if old is not None:
            self._retired.append(old)
