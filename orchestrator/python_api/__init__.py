"""Sweeps from Python: run one in a script or a notebook, and read one that is on disk."""
