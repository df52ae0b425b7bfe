"""Other numeric ranges for a sweep that is resumed: checked, counted, and recorded in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.changed_ranges import count_inside, with_ranges
from orchestrator.search.read_ledger import read_studies
from orchestrator.search.space import SearchSpace, load_space
from orchestrator.search.space_overrides import override_space

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep


def changed_space(workspace: Workspace, file: Path | None, overrides: Iterable[str]) -> SearchSpace:
    """Return the sweep's space with the ranges of a file and of `--set`.

    Raises:
        InputError: the file or an override is wrong, or changes more than ranges.
    """
    space = load_space(workspace.space, begun=True)
    if file is not None:
        space = with_ranges(space, load_space(file))
    return with_ranges(space, override_space(space, overrides)[0])


def check_models_of(prepared: PreparedSweep) -> None:
    """Raise InputError if a model cannot be built at an end of a range, which may be wider than before."""
    from orchestrator.execution.check_space import check_models
    from orchestrator.execution.prepare import feature_shapes

    own = prepared.spec.model_copy(update={"space": None, "set": ()})  # what the sweep began with is not meant
    check_models(prepared.space, own, prepared.control_of, feature_shapes(prepared), len(prepared.targets))


def earlier_trials(workspace: Workspace, space: SearchSpace) -> str:
    """Return a sentence that says how many of the sweep's trials lie in a space, which its control follows.

    Raises:
        InputError: every configuration of the space was started.
    """
    from orchestrator.search.enumeration import all_configurations, configuration_key

    studies = read_studies(workspace)
    trials = [trial.params for trial in studies.get("search", [])]
    few, started = all_configurations(space), {configuration_key(params) for params in trials}
    if few is not None and all(configuration_key(params) in started for params in few):
        raise InputError("Every configuration of the new space was tried: widen a range.")
    sentence = f"{count_inside(space, trials)} of {len(trials)} earlier trials lie in the new space"
    if control := studies.get("control"):
        own = space.without_hypernet()
        inside = count_inside(own, [trial.params for trial in control])
        sentence += f", of the control {inside} of {len(control)}"
    return f"{sentence}."


def save_space(workspace: Workspace, space: SearchSpace, frozen: bool) -> None:
    """Make a space the sweep's; keep the one before as `space-<n>.yaml`, with the number of its trials.

    A kill between the files leaves an identity that `finish_change` completes.
    """
    earlier = workspace.earlier_spaces()
    number = int(earlier[-1].stem.partition("-")[2]) + 1 if earlier else 1
    kept = workspace.root / f"space-{number}.yaml"
    write_file(kept, workspace.space.read_text(encoding="utf-8"))
    write_file(workspace.space, yaml.safe_dump(space.model_dump(mode="json"), sort_keys=False))
    _save_identity(workspace, space, frozen, kept)


def finish_change(workspace: Workspace, frozen: bool) -> None:
    """Write the identity of a space whose files a killed process had changed already."""
    earlier = workspace.earlier_spaces()
    if not earlier or not workspace.identity.is_file():
        return
    identity = json.loads(workspace.identity.read_text(encoding="utf-8"))
    present = load_space(workspace.space, begun=True)
    if identity["space"] == _dumped(load_space(earlier[-1], begun=True), frozen) != _dumped(present, frozen):
        _save_identity(workspace, present, frozen, earlier[-1])


def _save_identity(workspace: Workspace, space: SearchSpace, frozen: bool, kept: Path) -> None:
    identity = json.loads(workspace.identity.read_text(encoding="utf-8"))
    studies = read_studies(workspace)
    counts = {study: len(studies.get(study, [])) for study in ("search", "control")}
    identity["space"] = _dumped(space, frozen)
    identity["earlier_spaces"] = [*identity.get("earlier_spaces", []), {"file": kept.name, "trials": counts}]
    write_file(workspace.identity, json.dumps(identity, indent=1) + "\n")


def _dumped(space: SearchSpace, frozen: bool) -> object:
    return json.loads(space.model_dump_json(exclude={"backbone"} if frozen else None))
