"""Fingerprint of a sweep: written into its folder at the start, compared when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import Workspace

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep


def save_fingerprint(prepared: PreparedSweep, workspace: Workspace) -> None:
    """Write spec, space, splits and identity into the sweep's folder."""
    import yaml

    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.space.write_text(
        yaml.safe_dump(prepared.space.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
    )
    _save_splits(prepared, workspace, range(len(prepared.splits)))
    # How the data was read is for people; only the data hash decides whether a sweep may resume.
    notes = {"data_notes": list(prepared.dataset.notes)} if prepared.dataset.notes else {}
    identity = json.dumps({**prepared.identity(), **notes}, indent=1)
    workspace.identity.write_text(identity + "\n", encoding="utf-8")
    # Last: a folder with a spec is a sweep.
    prepared.spec.save(workspace.spec)


def add_splits(prepared: PreparedSweep, workspace: Workspace) -> None:
    """Write the splits that a sweep is confirmed on from now on; what it began with stays as it is."""
    before = json.loads(workspace.identity.read_text(encoding="utf-8"))
    hashes = {str(index): split.hash for index, split in prepared.splits.items()}
    if added := [index for index in hashes if index not in before["splits"]]:
        _save_splits(prepared, workspace, map(int, added))
        before["splits"] |= {index: hashes[index] for index in added}
        write_file(workspace.identity, json.dumps(before, indent=1) + "\n")


def _save_splits(prepared: PreparedSweep, workspace: Workspace, indices: Iterable[int]) -> None:
    from orchestrator.data import save_split

    workspace.splits.mkdir(exist_ok=True)
    for index in indices:
        save_split(prepared.splits[index], prepared.dataset, workspace.split(index))


def check_unchanged(prepared: PreparedSweep, workspace: Workspace) -> None:
    """Raise InputError if code, data, splits or space changed since the sweep began; splits may be added."""
    before, now = json.loads(workspace.identity.read_text(encoding="utf-8")), prepared.identity()
    shared = before["splits"].keys() & now["splits"].keys()
    for identity in (before, now):
        identity["splits"] = {index: identity["splits"][index] for index in shared}
    changed = [key for key in now if json.loads(json.dumps(now[key])) != before.get(key)]
    if changed:
        what = " and ".join(key.replace("_", " ") for key in changed)
        raise InputError(
            f"The sweep {workspace.name} cannot be resumed: {what} changed since it began. "
            f"Give a new --name, or --allow-changed to mix old and new trials."
        )
