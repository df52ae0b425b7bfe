"""The five words for how a trial ended, used alike by the ledger, MLflow, the tables and the counts."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """Trained to its last epoch."""
    PRUNED = "pruned"
    """Stopped early because others were better at the same epoch."""
    DIVERGED = "diverged"
    """Its loss or its scores became NaN or infinite."""
    INFEASIBLE = "infeasible"
    """Did not fit into the memory it was given."""
    FAILED = "failed"
    """Ended by an error."""
