"""Text in, sound out: a resident Piper voice in its own process, and playback we can cut.

Kept empty of imports: the Piper process loads this package too and must start quickly.
"""
