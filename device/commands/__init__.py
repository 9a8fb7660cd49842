"""The commands of ``seealoud``.

Only click is imported before a command runs, so that ``--help`` answers at once.
"""
