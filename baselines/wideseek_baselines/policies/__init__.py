"""Policies that can be named: language models and a random one."""
