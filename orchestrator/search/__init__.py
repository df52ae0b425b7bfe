"""What is searched and what is remembered: search spaces, samplers, pruners, the ledger, and Tune's view of it."""
