"""The base of every group of settings: frozen, unknown keys refused, each field's docstring kept.

The text under a field is its documentation: ``docs/settings.md`` is generated from it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SettingsGroup(BaseModel):
    """One table of the TOML file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
