"""What the device saw and said, kept in SQLite; and the messages that wait for the broker."""
