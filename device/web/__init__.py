"""The page and the HTTP API of the device; imported only where ``web.is_on`` is true."""
