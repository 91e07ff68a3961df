"""Rollouts and corpora on a Ray cluster."""
