"""Advantages, losses and their metrics."""
