"""What is seen in a frame, and how that is said."""
