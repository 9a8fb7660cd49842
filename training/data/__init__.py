"""Readers of captioned pictures in the formats in which Flickr8k and similar sets are published."""
