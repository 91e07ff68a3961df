"""The training configuration: its options, how files are read, and presets."""
