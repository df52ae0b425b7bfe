"""Hosts: starting and ending this host's part of a Ray cluster, and the token that guards it. Knows no sweeps."""
