"""Using models: which one is meant, what is to be scored, and giving a model away."""
