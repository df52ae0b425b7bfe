"""Fingerprint of a sweep: written into its folder at the start, compared when it is resumed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.core.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep


def save_fingerprint(prepared: PreparedSweep, workspace: Workspace) -> None:
    """Write spec, space, splits and identity into the sweep's folder."""
    import yaml

    from orchestrator.data import save_split

    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.splits.mkdir(exist_ok=True)
    workspace.space.write_text(
        yaml.safe_dump(prepared.space.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )
    for index, split in prepared.splits.items():
        save_split(split, prepared.dataset, workspace.splits / f"split_{index:02d}.json")
    # How the data was read is for people; only the data hash decides whether a sweep may resume.
    notes = {"data_notes": list(prepared.dataset.notes)} if prepared.dataset.notes else {}
    identity = json.dumps({**prepared.identity(), **notes}, indent=1)
    workspace.identity.write_text(identity + "\n", encoding="utf-8")
    # Last: a folder with a spec is a sweep.
    prepared.spec.save(workspace.spec)


def check_unchanged(prepared: PreparedSweep, workspace: Workspace) -> None:
    """Raise InputError if code, data, splits or space changed since the sweep began."""
    before, now = json.loads(workspace.identity.read_text(encoding="utf-8")), prepared.identity()
    changed = [key for key in now if json.loads(json.dumps(now[key])) != before.get(key)]
    if changed:
        what = " and ".join(key.replace("_", " ") for key in changed)
        raise InputError(
            f"The sweep {workspace.name} cannot be resumed: {what} changed since it began. "
            f"Give a new --name, or --allow-changed to mix old and new trials."
        )
