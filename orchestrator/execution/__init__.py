"""Ray: what a trial is to a worker, who hands trials out, and how Tune places them."""
