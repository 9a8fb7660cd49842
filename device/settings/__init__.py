"""The daemon's settings: one TOML, strict; and what changes at run time, in a small state file."""
