"""Configurations of a file as the next trials of a sweep, running or interrupted."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.core.current_user import user_and_host
from orchestrator.core.errors import InputError
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace, lock_sweep, running
from orchestrator.core.sweep_requests import RequestKind
from orchestrator.search.initial_trials import InitialTrials, read_enqueued
from orchestrator.search.space import SearchSpace, load_space
from orchestrator.sweeps.send_request import ANSWER_SECONDS, print_sent, send


def enqueue_file(workspace: Workspace, file: Path, as_json: bool) -> None:
    """Check a file against the sweep's search space, enqueue its configurations, and print what came of it.

    Raises:
        InputError: the file or a configuration is wrong, the budget is used up, or all configurations were tried.
    """
    space = load_space(workspace.space, begun=True)
    configurations = read_enqueued(file, space, str(file))
    if not configurations:
        raise InputError(f"{file}: there is no configuration in it.")
    if running(workspace):
        arguments = {"configurations": list(configurations)}
        print_sent(send(workspace, RequestKind.ENQUEUE, arguments, ANSWER_SECONDS), as_json)
        return
    with lock_sweep(workspace):
        _enqueue_for_resume(workspace, space, configurations, as_json)


def _enqueue_for_resume(
    workspace: Workspace, space: SearchSpace, configurations: tuple[dict[str, object], ...], as_json: bool
) -> None:
    """Enqueue configurations in the ledger of a sweep that does not run and that this process has locked."""
    from orchestrator.search.enqueue_configurations import enqueue_configurations
    from orchestrator.search.ledger import Ledger
    from orchestrator.search.open_storage import open_storage, study_name

    spec, name = load_spec(workspace.spec), workspace.name
    if workspace.result.is_file():
        raise InputError(f"{name}: the search is over. Raise its budget of {spec.trials} trials when you resume it.")
    first = len(InitialTrials.load(workspace.first).search) if workspace.first.is_file() else 0
    if not spec.ledger and not workspace.ledger.is_file():
        raise InputError(f"{name}: its search has not begun. Resume it, then enqueue.")
    storage = open_storage(spec.ledger, workspace.ledger)
    ledger = Ledger(storage, study_name(storage, spec, "search"), space)
    if len(ledger) < first:
        raise InputError(f"{name}: its search has not begun. Resume it, then enqueue.")
    by = user_and_host()
    found = enqueue_configurations(ledger, configurations, spec.trials, by)
    if not found.numbers:
        raise InputError(f"{name}: {found.sentences(spec.trials)}")
    if as_json:
        print(json.dumps({"sweep": name, "request": None, "by": by, "accepted": True, **found.as_dict()}))
    else:
        print(f"{name}: {found.sentences(spec.trials)} They start when the sweep is resumed.")
