"""Upload of the events that sweeps have not sent to MLflow, for the command sync."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from orchestrator.core.atomic_files import write_file
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import SweepLocked, Workspace, find_sweep, lock_sweep
from orchestrator.core.url_passwords import refuse_password
from orchestrator.tracking.check_uri_form import check_tracking_uri
from orchestrator.tracking.destination import (
    TrackingDestination,
    choose_destination,
    store_destination,
    stored_destination,
)
from orchestrator.tracking.orphaned_runs import close_open_runs, find_killed_sweeps
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader


def sync(reference: str | None, out: Path, tracking_uri: str | None, wait: float, console: Console) -> bool:
    """Upload the pending events of one sweep, or of every sweep in a folder.

    Args:
        reference: id, name or folder of a sweep; None for all in `out` with pending events.
        out: folder of the sweeps' folders.
        tracking_uri: MLflow server to use from now on; None for the one that the sweep used.
        wait: seconds to keep trying while MLflow does not answer.
        console: terminal for messages.

    Returns:
        True if no event is left.

    Raises:
        InputError: the sweep does not exist, or a later version wrote it.
    """
    if reference is not None:
        return _sync(find_sweep(reference, out), tracking_uri, wait, console)
    sweeps = _with_pending_events(out)
    if not sweeps:
        console.print(f"No sweep in {out} has anything left for MLflow.", highlight=False, soft_wrap=True)
    complete = True
    for workspace in sweeps:
        complete = _sync(workspace, tracking_uri, wait, console) and complete
    return complete


def _with_pending_events(out: Path) -> list[Workspace]:
    killed = {workspace.root for workspace in find_killed_sweeps(out)}
    workspaces = (Workspace(path.parent.absolute()) for path in sorted(out.glob("*/spec.yaml")))
    return [workspace for workspace in workspaces if workspace.root in killed or Spool(workspace.spool).count_unsent()]


def _sync(workspace: Workspace, tracking_uri: str | None, wait: float, console: Console) -> bool:
    def report(sentence: str) -> None:
        console.print(f"{workspace.name}: {sentence}", highlight=False, markup=False, soft_wrap=True)

    spool = Spool(workspace.spool)
    killed = workspace in find_killed_sweeps(workspace.root.parent)
    try:
        with lock_sweep(workspace):
            if killed and (closed := close_open_runs(spool)):
                report(f"it was killed; {closed} runs that it left open are closed as interrupted.")
            target = _target(workspace, spool, tracking_uri)
            before = spool.count_unsent()
            uploader = SpoolUploader(spool, target.open)
            left = uploader.finish(wait)
            if not left:
                _add_run_ids(workspace, target, uploader)
    except SweepLocked as error:
        left = spool.count_unsent()
        report(f"{left or 'no'} events are left. {error} It sends them itself.")
        return not left
    for warning in spool.warnings:
        report(warning)
    if not before:
        report("nothing was left.")
    elif left:
        report(f"{before - left} events went to {target.tracking_uri}, {left} are left: {uploader.error}.")
    else:
        report(f"all {before} events that were left went to {target.tracking_uri}.")
    if refused := spool.refused():
        report(f"MLflow refused {refused} events; {spool.folder / 'refused.jsonl'} lists them with the reason.")
    return not left


def _target(workspace: Workspace, spool: Spool, tracking_uri: str | None) -> TrackingDestination:
    target = stored_destination(spool) or choose_destination(load_spec(workspace.spec), spool)
    if tracking_uri:
        check_tracking_uri(tracking_uri)
        target = replace(target, tracking_uri=refuse_password("--tracking-uri", tracking_uri))
        store_destination(spool, target)
    return target


def _add_run_ids(workspace: Workspace, target: TrackingDestination, uploader: SpoolUploader) -> None:
    """Add MLflow's run ids to a result that was written while MLflow did not answer."""
    if not uploader.sink or not workspace.result.is_file():
        return
    from orchestrator.tracking.sweep_run import mlflow_ids

    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    if result.get("mlflow", {}).get("run_id") is not None and result["mlflow"]["tracking_uri"] == target.tracking_uri:
        return
    result["mlflow"] = mlflow_ids(load_spec(workspace.spec), target.tracking_uri, uploader, result)
    write_file(workspace.result, json.dumps(result, indent=1, allow_nan=False) + "\n")
