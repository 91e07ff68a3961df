"""Where the episodes of a training step come from."""
