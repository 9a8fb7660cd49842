"""Decides what narration says and when; pure, without threads, clocks or models."""
