"""Search spaces, one YAML file per variant."""
