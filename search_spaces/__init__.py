"""One search space a variant, as YAML."""
