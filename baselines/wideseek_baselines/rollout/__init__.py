"""Rollouts: many episodes at once over one engine, recorded for training."""
