"""Entry points of the commands sweep and resume: start, dry run, resume, or the result of a finished sweep."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from orchestrator.core.console import make_console
from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec, load_spec, with_defaults
from orchestrator.core.sweep_folder import Workspace, archive_of, find_sweep, lock_sweep
from orchestrator.sweeps.merge_settings import merge_settings
from orchestrator.sweeps.prepare_sweep import check_surroundings, prepare_sweep
from orchestrator.sweeps.print_prepared import print_notes, print_space
from orchestrator.sweeps.resume_hint import exit_if_stopped
from orchestrator.sweeps.run_and_notify import run_and_notify
from orchestrator.sweeps.show_finished import show_finished

if TYPE_CHECKING:
    from orchestrator.sweeps.embedding import Embedding


def start_or_resume(
    spec: SweepSpec, out: Path, dry_run: bool, as_json: bool, allow_changed: bool, stream: TextIO | None = None
) -> None:
    """Start a sweep, resume an unfinished one of the same name, or print the result of a finished one.

    Args:
        spec: the settings.
        out: folder of the sweeps' folders.
        dry_run: check the settings and estimate the time only.
        as_json: print one JSON object on standard output, everything else on standard error.
        allow_changed: resume although code, data, splits or space changed.
        stream: stream for progress and tables; None for standard output, or standard error with `as_json`.

    Raises:
        InputError: a setting is wrong.
        typer.Exit: 130 if interrupted; 1 if the sweep stopped itself.
    """
    console = make_console(stream or (sys.stderr if as_json else sys.stdout))
    spec = with_earlier_sweeps(spec, out)
    if dry_run:
        spec = with_defaults(spec)
        check_surroundings(spec, Workspace((out / spec.name).absolute()), console)
        _dry_run(spec, console, as_json)
        return
    with exit_if_stopped(spec, out, console):
        result = run_or_read(spec, out, console, allow_changed)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def run_or_read(
    spec: SweepSpec, out: Path, console: Console, allow_changed: bool, embedding: Embedding | None = None
) -> dict[str, Any]:
    """Start a sweep, resume an unfinished one of the same name, or read a finished one; return its result.

    Args:
        spec: the settings.
        out: folder of the sweeps' folders.
        console: terminal for progress and tables.
        allow_changed: resume although code, data, splits or space changed.
        embedding: the program that runs the sweep; None for a command.

    Raises:
        InputError: a setting is wrong.
        SweepInterrupted: a signal came while jobs ran.
        SweepStopped: the sweep stopped itself.
    """
    workspace = Workspace((out / spec.name).absolute())
    if archive_of(out, spec.name).is_file() and not workspace.spec.is_file():
        find_sweep(spec.name, out)
    with lock_sweep(workspace):
        if workspace.spec.is_file():
            before = load_spec(workspace.spec)
            spec = merge_settings(spec, before, out)
        else:
            spec = with_defaults(spec)
        if found := show_finished(workspace, spec, console, out, embedding):
            return found
        from orchestrator.execution.session_thread import ray_session_thread

        with ray_session_thread(spec) as session:
            return run_and_notify(spec, workspace, console, out, allow_changed, session, embedding=embedding)


def with_earlier_sweeps(spec: SweepSpec, out: Path) -> SweepSpec:
    """Return the settings with the folders of the sweeps that `warm_start` names.

    Raises:
        InputError: one of them does not exist.
    """
    references = [str(find_sweep(reference, out).root) for reference in spec.warm_start]
    return spec.model_copy(update={"warm_start": tuple(references)}) if references else spec


def resume_sweep(
    reference: str, out: Path, trials: int | None, given: dict[str, Any], as_json: bool, allow_changed: bool
) -> None:
    """Resume a sweep until its budget is met; print its result if the budget is met already.

    Args:
        reference: name, id or folder of the sweep.
        out: folder of the sweeps' folders.
        trials: its new budget; None for the one it has.
        given: settings that replace those of its start: where and how fast it runs, or more splits. A time limit is
            not kept. `space` and `set` are other numeric ranges for the next trials.
        as_json: print one JSON object on standard output, everything else on standard error.
        allow_changed: resume although code, data, splits or space changed.

    Raises:
        InputError: the sweep does not exist, is running, has more trials or splits than given, or changed.
        typer.Exit: 130 if interrupted; 1 if the sweep stopped itself.
    """
    from orchestrator.execution.session_thread import ray_session_thread
    from orchestrator.sweeps.budget import check_budget, check_splits, is_met, set_budget
    from orchestrator.sweeps.fingerprint import add_splits

    file, overrides = given.get("space"), given.get("set", ())
    given = {key: value for key, value in given.items() if key not in {"space", "set"}}
    console = make_console(sys.stderr if as_json else sys.stdout)
    workspace = find_sweep(reference, out)
    out = workspace.root.parent
    with lock_sweep(workspace):
        before = load_spec(workspace.spec)
        if trials is not None:
            check_budget(workspace, trials)
        spec = before.changed({"max_hours": None, **given, "trials": before.trials if trials is None else trials})
        check_splits(before, spec)
        space, sentence = None, ""
        if file or overrides:
            from orchestrator.sweeps.change_ranges import changed_space, check_models_of, earlier_trials, save_space

            space = changed_space(workspace, file, overrides)
            sentence = earlier_trials(workspace, space)
        met = is_met(workspace, spec.trials)
        if met and space:
            raise InputError(f"The sweep {workspace.name} has its {spec.trials} trials: raise --trials as well.")
        if met and spec.splits == before.splits:
            result = show_finished(workspace, spec, console, out)
        else:
            # The budget is raised last, so that a sweep that cannot be resumed stays as it was.
            with ray_session_thread(spec) as session:
                prepared = prepare_sweep(spec, workspace, console, allow_changed, session, space)
                if space:
                    check_models_of(prepared)
                    console.print(sentence, highlight=False)
                    print_space(console, prepared)
                    save_space(workspace, prepared.space, frozen=not prepared.finetune)
                add_splits(prepared, workspace)
                set_budget(workspace, before, spec.trials, spec.splits)
                with exit_if_stopped(spec, out, console):
                    result = run_and_notify(spec, workspace, console, out, allow_changed, session, prepared)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def _dry_run(spec: SweepSpec, console: Console, as_json: bool) -> None:
    from orchestrator.execution.prepare import prepare
    from orchestrator.reporting.live_view import FeatureProgress
    from orchestrator.sweeps.dry_run import dry_run

    progress = FeatureProgress(console)
    try:
        prepared = prepare(spec, progress)
    finally:
        progress.close()
    prepared.first_trials()
    print_notes(console, prepared.dataset)
    print_space(console, prepared)
    estimate = dry_run(prepared)
    if as_json:
        print(json.dumps(estimate.as_dict()))
    else:
        estimate.show(console)
