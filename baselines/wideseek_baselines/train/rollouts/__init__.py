"""The episodes of training and evaluation: where they are played, and their metrics."""
