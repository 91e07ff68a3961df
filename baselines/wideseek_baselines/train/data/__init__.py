"""From rollouts to batches."""
