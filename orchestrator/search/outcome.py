"""Outcomes of a trial: the same five words in the ledger, in MLflow, in tables and in counts."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of a trial."""

    COMPLETE = "complete"
    """Trained to its last epoch."""
    PRUNED = "pruned"
    """Stopped early because others were better at the same epoch."""
    DIVERGED = "diverged"
    """Loss or scores became NaN or infinite."""
    INFEASIBLE = "infeasible"
    """Did not fit into the memory it was given."""
    FAILED = "failed"
    """Ended by an error."""
