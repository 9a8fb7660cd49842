"""Reads a file of figures below ``docs`` that a script measured and wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from training.errors import TrainingError

_Figures = TypeVar("_Figures", bound=BaseModel)


def read_measured(kind: type[_Figures], path: Path, what: str) -> _Figures | None:
    """Return what was measured, or None where nothing was.

    Args:
        kind: the figures.
        path: of the file.
        what: what they are called in messages, in the plural.

    Raises:
        TrainingError: the file is wrong; the message names it and the key.
    """
    if not path.exists():
        return None
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise TrainingError(f"cannot read the {what} {path}: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "file"
        raise TrainingError(f"{what} {path} are wrong: {key}: {first['msg']}") from exc
