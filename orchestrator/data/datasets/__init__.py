"""Data sets, one file each; every module here registers itself with `register_dataset` when it is imported."""
