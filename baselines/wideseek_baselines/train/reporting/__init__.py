"""What a run reports: logs, trackers, the live view."""
