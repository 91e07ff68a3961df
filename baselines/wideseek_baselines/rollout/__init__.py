"""Rollouts: runs many episodes at once with one engine, and records them for training."""
