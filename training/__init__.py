"""Training of the captioner with TensorFlow; imports the device's pure modules, never the reverse."""
