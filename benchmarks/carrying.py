"""What carries a benchmark's events to MLflow: the same process that carries a sweep's."""

from __future__ import annotations

from pathlib import Path

from orchestrator.tracking.destination import TrackingDestination, remember
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader_process import UploaderProcess


def carrying(spool: Path, tracking_uri: str, name: str) -> UploaderProcess:
    """A courier that has started, for the spool in a folder."""
    remember(Spool(spool), TrackingDestination(tracking_uri, name, name, name))
    uploader = UploaderProcess(Spool(spool))
    uploader.start()
    return uploader
