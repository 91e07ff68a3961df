"""The models that are trained: loading, log-probabilities, sharding, adapters, critics, checkpoints and export."""
