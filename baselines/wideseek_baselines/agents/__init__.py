"""Language-model agents: they make a request for tokens from an agent's turn, and a message from the tokens."""
