"""Uploader of a benchmark's events: the same process that uploads a sweep's events to MLflow."""

from __future__ import annotations

from pathlib import Path

from orchestrator.tracking.destination import TrackingDestination, store_destination
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader_process import UploaderProcess


def uploading(spool: Path, tracking_uri: str, name: str) -> UploaderProcess:
    """Return a started uploader for the spool in a folder."""
    store_destination(Spool(spool), TrackingDestination(tracking_uri, name, name, name))
    uploader = UploaderProcess(Spool(spool))
    uploader.start()
    return uploader
