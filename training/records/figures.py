"""Reads a JSON file of figures that a script measured and wrote.

Only this module formats the errors about such a file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from seealoud.training.errors import TrainingError

_Figures = TypeVar("_Figures", bound=BaseModel)


class Figures(BaseModel):
    """A part of a file of figures: unknown keys, other types, NaN and infinity are wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_measured(kind: type[_Figures], path: Path, what: str) -> _Figures | None:
    """Return what was measured, or None where nothing was.

    Args:
        kind: type of the figures.
        path: the file.
        what: name of the figures in messages.

    Raises:
        TrainingError: the file is wrong; the message names it and the keys.
    """
    return read_figures(kind, path, what) if path.exists() else None


def read_figures(
    kind: type[_Figures], path: Path, what: str, *, upgraded: Callable[[str], str] = str
) -> _Figures:
    """Return the figures in a file that must be there.

    Args:
        kind: type of the figures.
        path: the file.
        what: name of the figures in messages.
        upgraded: converts the JSON of an earlier version to the current one.

    Raises:
        TrainingError: the file is missing or wrong; the message names it and the keys.
    """
    try:
        return kind.model_validate_json(upgraded(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as exc:
        raise TrainingError(f"cannot read the {what} {path}: {exc}") from exc
    except ValidationError as exc:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])) or 'file'}: {error['msg']}"
            for error in exc.errors(include_url=False)
        )
        raise TrainingError(f"wrong {what} {path}: {problems}") from exc
