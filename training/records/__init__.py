"""The figures of runs as data: JSON files that training and conversion write and read."""
