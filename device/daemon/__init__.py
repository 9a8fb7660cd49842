"""The daemon's threads, and what they have in common: requests, settings, status, reload."""
