"""What is worth saying aloud, and what is not: pure policy, no thread, no clock, no model."""
