"""Makes samples from rollouts or recorded episodes, and packs samples into rows."""
