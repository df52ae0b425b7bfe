"""Measurements, run by hand or by `make bench`: every one prints what it measured and beside what."""
