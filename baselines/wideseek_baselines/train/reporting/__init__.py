"""What a run reports: log, trackers, console and warnings."""
