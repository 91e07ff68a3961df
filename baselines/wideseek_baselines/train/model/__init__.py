"""The model that is trained: forward passes, critic, adapters, sharding, checkpoints."""
