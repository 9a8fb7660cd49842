"""PTB tokenisation of captions as pycocoevalcap does it, cached on disk.

Every metric of the protocol sees tokens made here. Java's tokeniser makes them; where Java is
missing the pure-Python one of ``ptb`` does, with one warning. A cache holds only Java's result,
so a machine without Java that has the cache still scores with Java's tokens.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pycocoevalcap.tokenizer.ptbtokenizer as coco

from training.errors import TrainingError
from training.metrics.java import find_java, warn_without_java
from training.metrics.ptb import ptb_tokens

_LOGGER = logging.getLogger(__name__)

Tokens = tuple[str, ...]

_JAR = Path(coco.__file__).with_name(coco.STANFORD_CORENLP_3_4_1_JAR)
_PUNCTUATION = frozenset(coco.PUNCTUATIONS)
_TIMEOUT_S = 300.0


def tokenise(
    captions: Mapping[str, Sequence[str]], cache_dir: Path | None = None
) -> dict[str, tuple[Tokens, ...]]:
    """Return the tokens of every caption of every picture, in the order given.

    Args:
        captions: captions by picture name.
        cache_dir: see ``tokenise_texts``.

    Raises:
        TrainingError: Java's tokeniser failed, or the cache cannot be written.
    """
    texts = [text for of_picture in captions.values() for text in of_picture]
    tokens = iter(tokenise_texts(texts, cache_dir))
    return {name: tuple(_take(tokens, len(captions[name]))) for name in captions}


def tokenise_texts(texts: Sequence[str], cache_dir: Path | None = None) -> list[Tokens]:
    """Return the tokens of every text: lower-case, without punctuation.

    Args:
        texts: captions in any case; blanks and line breaks within are the same to it.
        cache_dir: where Java's result is kept, in one file named after the SHA-256 of all the
            texts; made when it is missing. Meant for references, which come again; without it
            nothing is kept.

    Raises:
        TrainingError: Java's tokeniser failed, or the cache cannot be written.
    """
    lines = [" ".join(text.split()) for text in texts]
    cache_file = None if cache_dir is None else cache_dir / f"ptb-{_digest(lines)}.json"
    if cache_file is not None and (cached := _read_cache(cache_file, len(lines))) is not None:
        return cached
    java = find_java()
    if java is None:
        warn_without_java("captions are tokenised by SeeAloud's PTB rules, not by Stanford's")
        return [_without_punctuation(ptb_tokens(line)) for line in lines]
    tokens = _tokenise_in_java(java, lines)
    if cache_file is not None:
        _write_cache(cache_file, tokens)
    return tokens


def _take(tokens: Iterator[Tokens], count: int) -> Iterator[Tokens]:
    for _ in range(count):
        yield next(tokens)


def _without_punctuation(tokens: Sequence[str]) -> Tokens:
    return tuple(token for token in tokens if token not in _PUNCTUATION)


def _tokenise_in_java(java: str, lines: Sequence[str]) -> list[Tokens]:
    """Return the tokens that the jar makes, run with pycocoevalcap's options.

    Text goes by pipe: pycocoevalcap writes a file into site-packages, which may be read-only.
    """
    spoken = [line for line in lines if line]
    command = [java, "-cp", str(_JAR), "edu.stanford.nlp.process.PTBTokenizer"]
    # The encoding is named because Java would otherwise take it from the locale.
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    try:
        done = subprocess.run(
            command, input="\n".join(spoken).encode(), capture_output=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise TrainingError(f"the PTB tokeniser did not run ({exc}): try `java -version`") from exc
    answers = done.stdout.decode().splitlines()
    if done.returncode != 0 or len(answers) != len(spoken):
        raise TrainingError(
            f"the PTB tokeniser ended with code {done.returncode} and {len(answers)} of "
            f"{len(spoken)} lines: {done.stderr.decode(errors='replace').strip()[-300:]}"
        )
    by_line = dict(zip(spoken, answers, strict=True))
    return [_without_punctuation(by_line[line].split()) if line else () for line in lines]


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((_JAR.name, *lines)).encode()).hexdigest()


def _read_cache(path: Path, count: int) -> list[Tokens] | None:
    """Return what the file holds, or None when it is absent or not what was written."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        tokens = [tuple(line.split()) for line in stored]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        _LOGGER.warning("cannot read the token cache %s, making it again: %s", path, exc)
        return None
    return tokens if len(tokens) == count else None


def _write_cache(path: Path, tokens: Sequence[Tokens]) -> None:
    """Write to a neighbour, then rename: runs that share the cache never see half a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, neighbour = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([" ".join(line) for line in tokens], file)
        Path(neighbour).replace(path)
    except OSError as exc:
        raise TrainingError(f"cannot write the token cache {path}: {exc}") from exc
