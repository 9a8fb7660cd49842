"""What people press, send or call to make the device do something."""
