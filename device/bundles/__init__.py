"""Installs bundles beside the one in use, and goes back if a new one does not work."""
