"""Captioned pictures from the forms in which Flickr8k and its kin are handed around."""
