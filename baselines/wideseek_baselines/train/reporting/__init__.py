"""The reports of a run: log, trackers, console and warnings."""
