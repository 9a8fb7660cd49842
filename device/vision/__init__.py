"""From one frame to its description, and the bundle of models for that."""
