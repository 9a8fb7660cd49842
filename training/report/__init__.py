"""What the runs gave: their records, the page of results and the figures made from them."""
