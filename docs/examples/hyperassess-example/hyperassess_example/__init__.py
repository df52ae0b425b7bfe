"""A variant and a loss for HyperAssess."""
