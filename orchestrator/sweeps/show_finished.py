"""Print the result of a finished sweep and upload its pending events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.sweeps.resume_hint import print_if_ended_early

if TYPE_CHECKING:
    from orchestrator.sweeps.embedding import Embedding


def show_finished(
    workspace: Workspace, spec: SweepSpec, console: Console, out: Path, embedding: Embedding | None = None
) -> dict[str, Any] | None:
    """Print and return the result of a finished sweep, None if it is not finished; upload events that are pending."""
    from orchestrator.reporting.finished_sweep import print_finished
    from orchestrator.reporting.read_result import read_result

    if not workspace.result.is_file():
        return None
    result = stored_result(workspace)
    if embedding is None or embedding.shows_result:
        if not console.quiet:
            print(f"The sweep {workspace.name} is finished.", file=sys.stderr)
        if shown := read_result(workspace, spec):
            print_finished(console, workspace, spec, shown)
    upload_pending(workspace, spec, console)
    print_if_ended_early(result, spec, console, out)
    return result


def stored_result(workspace: Workspace) -> dict[str, Any]:
    """Return the content of `result.json`."""
    result: dict[str, Any] = json.loads(workspace.result.read_text(encoding="utf-8"))
    return result


def upload_pending(workspace: Workspace, spec: SweepSpec, console: Console) -> None:
    """Upload the events that have not reached MLflow."""
    from orchestrator.tracking.spool import Spool

    spool = Spool(workspace.spool)
    if not spool.count_unsent():
        return
    from orchestrator.tracking.destination import choose_destination
    from orchestrator.tracking.sweep_run import report_pending
    from orchestrator.tracking.uploader import SpoolUploader

    target = choose_destination(spec, spool)
    uploader = SpoolUploader(spool, target.open)
    uploader.start()
    report_pending(console, spool, uploader, target.tracking_uri)
