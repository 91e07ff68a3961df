"""Language-model agents: they turn an agent's turn into a request for tokens, and the tokens into an action."""
