"""Promotion of a sweep's best model: choice, gates, registration, aliases, comparison."""
