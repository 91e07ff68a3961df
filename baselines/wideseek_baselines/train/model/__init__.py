"""The models that are trained: loading, scoring, sharding, adapters, critics, checkpoints and export."""
