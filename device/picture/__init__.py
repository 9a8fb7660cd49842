"""Whether a picture is worth looking at."""
