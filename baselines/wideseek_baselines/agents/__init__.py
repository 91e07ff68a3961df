"""Language-model agents: one generation request at a time, from an episode to tokens and back."""
