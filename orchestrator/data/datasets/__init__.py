"""One file a dataset; every module here registers itself with `register_dataset` when it is imported."""
