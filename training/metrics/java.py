"""Finds Java, runs METEOR in it, and logs once what is missing without it.

Two parts of the COCO protocol are Java programs that pycocoevalcap brings along: the PTB
tokeniser (see ``tokenise``) and METEOR 1.5 (Denkowski and Lavie 2014, aclanthology W14-3348).
"""

from __future__ import annotations

import functools
import logging
import shutil
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocoevalcap.meteor.meteor import Meteor

from seealoud.training.errors import TrainingError

_LOGGER = logging.getLogger(__name__)

INSTALL_COMMAND = "apt install default-jre-headless"

_STOP_TIMEOUT_S = 120.0  # a killed Java took over 10 s to go on a busy machine


def find_java() -> str | None:
    """Return the path of the ``java`` program, or None where it is missing."""
    return shutil.which("java")


def require_java_for_rewards() -> None:
    """Refuse a reward with METEOR if Java is missing.

    Raises:
        TrainingError: Java is missing.
    """
    if find_java() is None:
        raise TrainingError(f"a reward with METEOR needs Java: {INSTALL_COMMAND}")


@functools.cache
def warn_without_java(lost: str) -> None:
    """Log, once per process and text, what is ``lost`` and how to get Java.

    ``warn_without_java.cache_clear()`` makes it log again.
    """
    _LOGGER.warning("java is not on the PATH: %s (to get it: %s)", lost, INSTALL_COMMAND)


def meteor_score(
    references: Mapping[str, list[str]], hypotheses: Mapping[str, list[str]]
) -> float | None:
    """Return the corpus METEOR in 0..1, or None (with a warning) where Java is missing.

    Args:
        references: tokens joined by blanks, several per picture name.
        hypotheses: the same, exactly one per picture name.

    Raises:
        TrainingError: the METEOR process died or answered nonsense.
    """
    if find_java() is None:
        warn_without_java("METEOR is not computed and is reported as missing")
        return None
    meteor = Meteor()
    try:
        score, _ = _compute(meteor, references, hypotheses)
    finally:
        _stop(meteor)
    return score


def _compute(
    meteor: Meteor,
    references: Mapping[Any, list[str]],
    hypotheses: Mapping[Any, list[str]],
) -> tuple[float, list[float]]:
    """Return the corpus METEOR and each caption's."""
    try:
        score, each = meteor.compute_score(references, hypotheses)
    except (OSError, ValueError) as exc:
        if (
            meteor.lock.locked()
        ):  # pycocoevalcap does not end it, and its __del__ would wait for ever
            meteor.lock.release()
        raise TrainingError(
            f"METEOR failed on {len(hypotheses)} captions ({exc}): check that `java -version` "
            "works and that 2 GB of memory are free"
        ) from exc
    return float(score), [float(value) for value in each]


class SentenceMeteor:
    """METEOR of single captions as a reward, 0..1; one Java process until it is closed.

    Raises:
        TrainingError: Java is missing.
    """

    def __init__(self) -> None:
        require_java_for_rewards()
        self._meteor = Meteor()
        # Also when the object is dropped, or the program ends.
        self._finalizer = weakref.finalize(self, _stop, self._meteor)

    def scores(
        self,
        references: Sequence[Sequence[Sequence[str]]],
        hypotheses: Sequence[Sequence[str]],
    ) -> npt.NDArray[np.float32]:
        """Return the METEOR of each hypothesis, float32 [n].

        Args:
            references: words of each reference, by hypothesis.
            hypotheses: words of each.

        Raises:
            TrainingError: the METEOR process died or answered nonsense.
        """
        asked = [
            (tuple(map(" ".join, wanted)), " ".join(words))
            for wanted, words in zip(references, hypotheses, strict=True)
        ]
        once = dict(enumerate(dict.fromkeys(asked)))  # samples are often equal
        wanted = {number: list(wanted) for number, (wanted, _) in once.items()}
        _, each = _compute(self._meteor, wanted, {i: [text] for i, (_, text) in once.items()})
        by_pair = dict(zip(once.values(), each, strict=True))
        return np.array([by_pair[pair] for pair in asked], dtype=np.float32)

    def close(self) -> None:
        """End the process; a second time does nothing."""
        self._finalizer()


def _stop(meteor: Meteor) -> None:
    """End the process and close its pipes, which pycocoevalcap leaves to the collector."""
    process = meteor.meteor_p
    process.kill()  # it holds no state; at the end of input it would take a second to leave
    process.wait(_STOP_TIMEOUT_S)
    for pipe in (process.stdout, process.stderr, process.stdin):
        try:
            pipe.close()
        except BrokenPipeError:  # stdin held bytes that the dead process never took
            _LOGGER.debug("METEOR ended before it had read everything")
