"""The peak memory of a child process that a test starts with ``python -c``."""

from __future__ import annotations

# Not ru_maxrss, which begins with the peak of the process that started this one.
PEAK_MB = """
def peak_mb():
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0]) // 1024
"""
