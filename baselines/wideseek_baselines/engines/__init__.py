"""Engines generate tokens for the language-model policies. `engines.base.Engine` is their common interface."""
