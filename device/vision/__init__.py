"""What is made out in one frame."""
