"""The daemon's settings: one strict TOML file, and a small state file for changes at run time."""
