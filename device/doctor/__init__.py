"""What is wrong with this device, and the command that mends it: ``seealoud doctor``."""
