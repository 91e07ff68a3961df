"""Policies with a name: language models and a random policy."""
