"""From rollouts or recorded episodes to samples, and from samples to packed rows."""
