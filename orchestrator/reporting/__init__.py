"""Reports of a sweep: the live view of a running sweep, then result tables, figures and JSON."""
