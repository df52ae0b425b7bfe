"""Measurements, run by hand or by `make bench`; each prints its figures next to those of a reference."""
