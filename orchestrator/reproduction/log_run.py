"""Run of a reproduction in MLflow: the table, its plot and our figures as metrics."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from orchestrator.tracking.destination import resolve_tracking_uri
from orchestrator.tracking.provenance import provenance
from orchestrator.tracking.recorder import SWEEP, Recorder, now_ms
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader


class ReproducedRow(Protocol):
    """Row of a reproduction, as far as it is logged."""

    @property
    def label(self) -> str:
        """Table, system and protocol."""

    def metrics(self) -> dict[str, float]:
        """Return our figures by name."""


def log_reproduction(
    name: str, params: Mapping[str, Any], tracking_uri: str | None, folder: Path, rows: Sequence[ReproducedRow]
) -> str:
    """Log `folder/report` and the rows' figures; return the tracking URI.

    The same reproduction is logged to the same run. `params` are its settings, with the data set.
    """
    from orchestrator.tracking.mlflow_sink import MlflowSink

    uri = resolve_tracking_uri(tracking_uri)
    identity = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    spool = Spool(folder / "spool")
    recorder = Recorder(spool, folder)
    recorder.record("start", SWEEP, name=name, params=dict(params), tags=provenance())
    metrics = {
        re.sub(r"[^\w.\- :/]+", "_", f"{row.label} {key}"): value
        for row in rows
        for key, value in row.metrics().items()
        if math.isfinite(value)
    }
    recorder.record("metrics", SWEEP, now_ms(), step=0, metrics=metrics)
    recorder.record("artifacts", SWEEP, path=str(folder / "report"), into="report")
    note = (folder / "report" / "reproduction.md").read_text(encoding="utf-8")
    recorder.record("tags", SWEEP, tags={"mlflow.note.content": note})
    recorder.record("end", SWEEP, status="FINISHED")
    uploader = SpoolUploader(
        spool,
        lambda: MlflowSink(
            uri, f"reproduction on {params['dataset']}", identity, source=f"orchestrator.reproduce {name}"
        ),
    )
    uploader.start()
    unsent = uploader.close(timeout=120)
    return f"{uri} ({unsent} events have not arrived: {uploader.error})" if unsent else uri
