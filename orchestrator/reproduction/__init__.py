"""Reproduction of the paper's tables: runs, comparison and report."""
