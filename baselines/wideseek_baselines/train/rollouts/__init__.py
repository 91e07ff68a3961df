"""Runs the episodes of training and evaluation, and computes their metrics."""
