"""The page of results, made from the records; only the command line imports it."""
