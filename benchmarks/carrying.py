"""What carries a benchmark's events to MLflow: the same process that carries a sweep's."""

from __future__ import annotations

from pathlib import Path

from orchestrator.tracking.destination import Target, remember
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader_process import Courier


def carrying(spool: Path, tracking_uri: str, name: str) -> Courier:
    """A courier that has started, for the spool in a folder."""
    remember(Spool(spool), Target(tracking_uri, name, name, name))
    courier = Courier(Spool(spool))
    courier.start()
    return courier
