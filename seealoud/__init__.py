"""SeeAloud."""
