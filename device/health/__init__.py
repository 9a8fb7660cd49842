"""Reports on the daemon: the log, Prometheus metrics, and notifications to systemd."""
