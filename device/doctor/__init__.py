"""What is wrong with this device, and the command that fixes it: ``seealoud doctor``."""
