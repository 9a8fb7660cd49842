"""How the daemon is, for others: the log, Prometheus metrics, and what systemd is told."""
