"""From a trained Keras captioner to a bundle: export, quantize, verify, write."""
