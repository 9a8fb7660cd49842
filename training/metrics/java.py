"""Finds Java, runs METEOR in it, and says once what is lost where it is missing.

Two parts of the COCO protocol are Java programs that pycocoevalcap brings along: the PTB
tokeniser (see ``tokenise``) and METEOR 1.5 (Denkowski and Lavie 2014, aclanthology W14-3348).
"""

from __future__ import annotations

import functools
import logging
import shutil
from collections.abc import Mapping

from pycocoevalcap.meteor.meteor import Meteor

from training.errors import TrainingError

_LOGGER = logging.getLogger(__name__)

INSTALL_COMMAND = "apt install default-jre-headless"

_STOP_TIMEOUT_S = 120.0  # a killed Java took over 10 s to go on a busy machine


def find_java() -> str | None:
    """Return the path of the ``java`` program, or None where it is missing."""
    return shutil.which("java")


@functools.cache
def warn_without_java(lost: str) -> None:
    """Log, once per process and text, what is ``lost`` and how to get Java.

    ``warn_without_java.cache_clear()`` makes it speak again.
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
        score, _ = meteor.compute_score(references, hypotheses)
    except (OSError, ValueError) as exc:
        if meteor.lock.locked():  # pycocoevalcap forgets it, and its __del__ would wait for ever
            meteor.lock.release()
        raise TrainingError(
            f"METEOR failed on {len(hypotheses)} captions ({exc}): check that `java -version` "
            "works and that 2 GB of memory are free"
        ) from exc
    finally:
        _stop(meteor)
    return float(score)


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
