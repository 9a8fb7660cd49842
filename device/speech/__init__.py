"""Text to sound: a resident Piper voice in its own process, and playback that can be cut.

Without imports, because the Piper process loads this package too and must start quickly.
"""
