"""Training of language models: small modules, and one readable script per algorithm (`sft`, `grpo`, `ppo`).

The rooms build on each other in this order:

- `config`: the settings, presets, and how they are read.
- `data`: from rollouts or recorded episodes to samples, and from samples to packed rows.
- `model`: loading, scoring, sharding, adapters, critics, checkpoints and export.
- `objective`: advantages, losses and their metrics.
- `optim`: optimizers.
- `rollouts`: the episodes of a step.
- `reporting`: log, trackers, console and warnings.

`loop` is what all scripts share around a step. Modules below this package import torch; this one does not.
"""
