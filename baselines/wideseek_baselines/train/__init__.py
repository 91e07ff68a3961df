"""Training of language models. Each algorithm is one script that can be read from top to bottom: `sft`, `grpo`, `ppo`.

The other code is in these subpackages. Each uses only those above it:

- `config`: the settings, and how they are read from presets, files and the command line.
- `data`: makes samples from rollouts or recorded episodes, and packs samples into rows.
- `model`: loading, scoring, sharding, adapters, critics, checkpoints and export.
- `objective`: advantages, losses and their metrics.
- `optim`: optimizers.
- `rollouts`: the episodes of a step.
- `reporting`: log, trackers, console and warnings.

`loop` has the code around a training step that all scripts share. Most modules in this package import torch. The
package itself does not.
"""
