"""Search: search spaces, samplers, pruners and the ledger."""
