"""Runs hyperparameter searches over hypernetworks that score AI-generated images."""

__version__ = "0.1.0"
