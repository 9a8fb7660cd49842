"""The daemon's own threads: what looks, what is asked, and what both say."""
