"""Losses, advantages and their metrics."""
