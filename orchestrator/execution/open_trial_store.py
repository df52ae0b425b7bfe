"""Choice of the trial store that a sweep's settings name."""

from __future__ import annotations

from orchestrator.core.object_store import ObjectStore
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.object_trial_store import ObjectTrialStore
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.execution.trial_store import TrialStore


def open_trial_store(spec: SweepSpec, workspace: Workspace) -> TrialStore:
    """Return the store at `--storage-path`, or the sweep's own folder without that option."""
    if spec.storage_path:
        return ObjectTrialStore(ObjectStore(spec.storage_path).under(f"{spec.name}-{spec.id}"))
    return SharedTrialStore(workspace.trials)
