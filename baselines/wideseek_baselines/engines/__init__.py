"""Engines: what generates tokens for the language-model policies. See `wideseek_baselines.engines.base.Engine`."""
