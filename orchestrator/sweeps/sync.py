"""What the sync command does: sends what sweeps still have to tell MLflow, and says what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from orchestrator.core.atomic_files import write_file
from orchestrator.core.credentials import refuse_password
from orchestrator.core.spec import load_spec
from orchestrator.core.workspace import SweepLocked, Workspace, find_sweep, lock_sweep
from orchestrator.tracking.destination import TrackingDestination, remember, remembered_target, settle_target
from orchestrator.tracking.orphaned_runs import close_open_runs, left_behind
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader


def sync(reference: str | None, out: Path, tracking_uri: str | None, wait: float, console: Console) -> bool:
    """Sends what one sweep, or every sweep in a folder, has left to tell.

    Args:
        reference: id, name or folder of a sweep; None for all in `out` with something left.
        out: folder that sweeps live in.
        tracking_uri: MLflow's, from now on; None for the one that the sweep used.
        wait: seconds to keep trying while MLflow does not answer.
        console: where it is said.

    Returns:
        Whether all has arrived.

    Raises:
        InputError: there is no such sweep, or a later version wrote it.
    """
    if reference is not None:
        return _sync(find_sweep(reference, out), tracking_uri, wait, console)
    sweeps = _with_something_left(out)
    if not sweeps:
        console.print(f"No sweep in {out} has anything left for MLflow.", highlight=False, soft_wrap=True)
    all_went = True
    for workspace in sweeps:
        all_went = _sync(workspace, tracking_uri, wait, console) and all_went
    return all_went


def _with_something_left(out: Path) -> list[Workspace]:
    died = {workspace.root for workspace in left_behind(out)}
    found = (Workspace(path.parent.absolute()) for path in sorted(out.glob("*/spec.yaml")))
    return [workspace for workspace in found if workspace.root in died or Spool(workspace.spool).left()]


def _sync(workspace: Workspace, tracking_uri: str | None, wait: float, console: Console) -> bool:
    def say(sentence: str) -> None:
        console.print(f"{workspace.name}: {sentence}", highlight=False, markup=False, soft_wrap=True)

    spool = Spool(workspace.spool)
    died = workspace in left_behind(workspace.root.parent)
    try:
        with lock_sweep(workspace):
            if died and (closed := close_open_runs(spool)):
                say(f"it was killed; {closed} runs that it left open are closed as interrupted.")
            target = _target(workspace, spool, tracking_uri)
            before = spool.left()
            uploader = SpoolUploader(spool, target.open)
            left = uploader.finish(wait)
            if not left:
                _fill_in_runs(workspace, target, uploader)
    except SweepLocked as error:
        left = spool.left()
        say(f"{left or 'no'} events are left. {error} It sends them itself.")
        return not left
    for warning in spool.warnings:
        say(warning)
    if not before:
        say("nothing was left.")
    elif left:
        say(f"{before - left} events went to {target.tracking_uri}, {left} are left: {uploader.error}.")
    else:
        say(f"all {before} events that were left went to {target.tracking_uri}.")
    if refused := spool.refused():
        say(f"MLflow would not take {refused} events; {spool.folder / 'refused.jsonl'} has them and says why.")
    return not left


def _target(workspace: Workspace, spool: Spool, tracking_uri: str | None) -> TrackingDestination:
    target = remembered_target(spool) or settle_target(load_spec(workspace.spec), spool)
    if tracking_uri:
        target = replace(target, tracking_uri=refuse_password("--tracking-uri", tracking_uri))
        remember(spool, target)
    return target


def _fill_in_runs(workspace: Workspace, target: TrackingDestination, uploader: SpoolUploader) -> None:
    """A result that was written while MLflow was away learns where its runs are."""
    if not uploader.sink or not workspace.result.is_file():
        return
    from orchestrator.tracking.sweep_run import mlflow_ids

    result = json.loads(workspace.result.read_text())
    if result.get("mlflow", {}).get("run_id") is not None and result["mlflow"]["tracking_uri"] == target.tracking_uri:
        return
    result["mlflow"] = mlflow_ids(load_spec(workspace.spec), target.tracking_uri, uploader, result)
    write_file(workspace.result, json.dumps(result, indent=1, allow_nan=False) + "\n")
