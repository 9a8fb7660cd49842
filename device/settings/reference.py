"""The documents that are made from the settings: the reference, and the commented example. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from device.settings.allowed import allowed, example_value
from device.settings.keys import Key, Table
from device.settings.toml_text import toml_key, toml_value

_WIDTH = 96
_INTRODUCTION = """\
# Settings

Made by `seealoud config reference` from the code; a test holds the two together.

One TOML file has all settings of `seealoud run`. Every key may be left out. A key that is not
known, or a value that is not allowed, is refused by name, all of them at once:
`seealoud config check`.

| command | what it does |
|---|---|
| `seealoud config init [PATH]` | writes [the commented example](settings.example.toml) |
| `seealoud config check [PATH]` | says all that is wrong, and what is risky |
| `seealoud config show` | prints what is in force, and where each value comes from |

## Where the file is looked for

The first of these is read:

1. `seealoud run --config FILE`
2. `$SEEALOUD_CONFIG`
3. `$CONFIGURATION_DIRECTORY/seealoud.toml` (set by systemd)
4. `$XDG_CONFIG_HOME/seealoud/seealoud.toml`, as a rule `~/.config/seealoud/seealoud.toml`
5. `/etc/seealoud/seealoud.toml`

Without any, everything is at its default.

## Secrets

No password stands in this file. It names a file that holds one, or systemd hands it over
(`LoadCredential=mqtt-password:…`). An address of a camera may have a user and a password in it:
then keep others from reading the file (`chmod o-rwx`). No command and no log shows them.

## What changes at run time

Volume, rate, voice, minimum gap and narration can be changed by button, MQTT or command line.
Such a change goes before the file, and is kept in `state.json` in the state directory
(`$STATE_DIRECTORY`, else `$XDG_STATE_HOME/seealoud`, as a rule `~/.local/state/seealoud`).
`seealoud config show` marks these values; deleting that file while the daemon is stopped takes
all of them back.
"""
_EXAMPLE_INTRODUCTION = """\
# The settings of SeeAloud. Every key is at its default: take the "#" before one away to change it.
# `seealoud config check` says what is wrong, docs/settings.md has the same as tables.
"""


def reference_text(root: Table) -> str:
    """Return ``docs/settings.md``."""
    return "\n".join([_INTRODUCTION, *(_section(table) for table in root.walk_tables())])


def example_text(root: Table) -> str:
    """Return ``docs/settings.example.toml``: with every "#key" uncommented it is valid as well."""
    return "\n".join([_EXAMPLE_INTRODUCTION, *(_example(table) for table in root.walk_tables())])


def title(table: Table) -> str:
    """Return a table's header as TOML has it."""
    name = ".".join(toml_key(part) for part in table.path)
    return f"[[{name}]]" if table.is_list else f"[{name}]"


def _section(table: Table) -> str:
    if not table.path:
        return ""
    lines = [f"## `{title(table)}`", "", *table.doc.split("\n")]
    if table.keys:
        lines += ["", "| key | takes | default | meaning |", "|---|---|---|---|"]
        lines += [_row(key) for key in table.keys]
    return "\n".join([*lines, ""])


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", allowed(key), _default(key), key.doc)
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def _default(key: Key) -> str:
    if key.is_required:
        return "(must be set)"
    return "not set" if key.default is None else f"`{toml_value(key.default)}`"


def _example(table: Table) -> str:
    if not table.path:
        return ""
    # A list of tables is empty by default, so its header is a comment as well.
    mark = "#" if table.is_list else ""
    lines = [*_comment(table.doc), f"{mark}{title(table)}", ""]
    for key in table.keys:
        lines += [*_comment(f"{key.doc}\nTakes: {allowed(key)}."), _assignment(key), ""]
    return "\n".join(lines)


def _assignment(key: Key) -> str:
    value = example_value(key) if key.default is None else key.default
    note = "  # not set by default" if key.default is None and not key.is_required else ""
    return f"#{toml_key(key.name)} = {toml_value(value)}{note}"


def _comment(text: str) -> Iterator[str]:
    """Yield a text as comment lines; "# " with its space tells them from commented keys."""
    for paragraph in text.split("\n"):
        line = "#"
        for word in paragraph.split():
            if len(line) + 1 + len(word) > _WIDTH:
                yield line
                line = "#"
            line += f" {word}"
        if line != "#":
            yield line
