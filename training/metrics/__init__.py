"""The COCO caption protocol, a fast CIDEr-D for training, and precision by kind of word."""
