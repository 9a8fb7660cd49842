"""PTB tokenisation of captions as pycocoevalcap does it, cached on disk.

Every metric of the protocol uses these tokens. They are made by Java's tokeniser (Stanford
CoreNLP's PTBTokenizer 3.4.1); without Java by a Penn Treebank tokeniser in Python, with one
warning. Measured against Java's (``-preserveLines -lowerCase``, punctuation removed), the Python
one is equal on all 40,000 Flickr8k captions and on 99.92 % of 145,000 rawer Flickr30k captions;
the rest are HTML entities and rare abbreviations. It is no general PTB tokeniser. The cache holds
only Java's result, so a machine without Java that has the cache still scores with Java's tokens.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pycocoevalcap.tokenizer.ptbtokenizer as coco

from seealoud.training.errors import TrainingError
from seealoud.training.metrics.java import find_java, warn_without_java

_LOGGER = logging.getLogger(__name__)

Tokens = tuple[str, ...]

_JAR = Path(coco.__file__).with_name(coco.STANFORD_CORENLP_3_4_1_JAR)
_PUNCTUATION = frozenset(coco.PUNCTUATIONS)
_TIMEOUT_S = 300.0

# Words that end in a full stop.
_ABBREVIATIONS = (
    "mr|mrs|ms|dr|st|jr|sr|vs|no|mt|ft|ave|rd|blvd|inc|co|corp|ltd|prof|sgt|capt|gen|col|lt|rev|"
    "etc|jan|feb|aug|sept|oct|nov|dec"
)
# The first alternative that fits wins, so the order is part of the rule.
_TOKEN = re.compile(
    rf"""
    \.{{2,}} | -{{2,}} | [?!]+
  | (?:[^\W\d_]\.)+[^\W\d_]\.?(?!\w)                 # u.s. a.m. n.y.c
  | [^\W\d_]\.(?=\s+\S)                              # an initial
  | (?:{_ABBREVIATIONS})\.(?=\s|$)
  | can(?=not\b) | gon(?=na\b) | wan(?=na\b) | got(?=ta\b) | gim(?=me\b) | lem(?=me\b)
  | \d+(?:[.,:]\d+)+(?:-\w+)*                        # 1,000 3:30 2.5-litre
  | \w+?(?=n't\b) | n't\b                            # is n't
  | '(?:s|m|re|ve|ll|d)\b                            # dog 's
  | o'clock\b | '\d0s\b | '?n'(?!\w)                 # '90s rock 'n' roll
  | \w+(?:-(?!\w+n't\b)\w+)*(?:\.[a-z]\w*)*          # t-shirt
  | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TYPOGRAPHY = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..."}  # noqa: RUF001
)
# The Treebank's names of brackets. Lower-cased they no longer match the upper-case names in
# pycocoevalcap's list of punctuation, so they stay in the caption: its behaviour is kept.
_NAMES = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    '"': "''",
}


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


def ptb_tokens(text: str) -> list[str]:
    """Return the lower-case Treebank tokens of one caption, punctuation included."""
    found = (token.lower() for token in _TOKEN.findall(text.translate(_TYPOGRAPHY)))
    return [_NAMES.get(token, token) for token in found]
