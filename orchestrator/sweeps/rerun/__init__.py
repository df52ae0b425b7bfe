"""Training a trial again from what its run says, and comparing the two curves."""
