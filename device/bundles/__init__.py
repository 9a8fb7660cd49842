"""Installs bundles and voices beside those in use, and goes back if a new one does not work."""
