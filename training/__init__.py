"""Training of the captioner with TensorFlow; imports the device, never the reverse."""
