"""The command line's commands, one module each.

Only click is imported before a command runs, so that ``--help`` answers at once.
"""
