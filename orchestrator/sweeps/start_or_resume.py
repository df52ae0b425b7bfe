"""Entry points of the commands sweep and resume: start, dry run, resume, or the result of a finished sweep."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console

from orchestrator.core.cli import FAILED, INTERRUPTED
from orchestrator.core.disk_space import format_bytes, free_bytes, is_disk_full
from orchestrator.core.errors import InputError
from orchestrator.core.logging_setup import send_logs_to
from orchestrator.core.spec import SweepSpec, load_spec, sources, with_defaults
from orchestrator.core.sweep_folder import Workspace, archive_of, find_sweep, lock_sweep
from orchestrator.sweeps.resume_hint import exit_immediately, resume_command

if TYPE_CHECKING:
    from orchestrator.data import Dataset
    from orchestrator.execution.prepare import PreparedSweep

logger = logging.getLogger(__name__)

_PLAIN_WIDTH = 140


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
    if spec.warm_start:
        references = [str(find_sweep(reference, out).root) for reference in spec.warm_start]
        spec = spec.model_copy(update={"warm_start": tuple(references)})
    if dry_run:
        spec = with_defaults(spec)
        _check_surroundings(spec, Workspace((out / spec.name).absolute()), console)
        _dry_run(spec, console, as_json)
        return
    workspace = Workspace((out / spec.name).absolute())
    if archive_of(out, spec.name).is_file() and not workspace.spec.is_file():
        find_sweep(spec.name, out)
    with lock_sweep(workspace):
        if workspace.spec.is_file():
            before = load_spec(workspace.spec)
            spec = _merge_settings(spec, before, out)
        else:
            spec = with_defaults(spec)
        result = _finished(workspace, spec, console, out) or _run(spec, workspace, console, out, allow_changed)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def resume_sweep(
    reference: str, out: Path, trials: int | None, given: dict[str, Any], as_json: bool, allow_changed: bool
) -> None:
    """Resume a sweep until its budget is met; print its result if the budget is met already.

    Args:
        reference: name, id or folder of the sweep.
        out: folder of the sweeps' folders.
        trials: its new budget; None for the one it has.
        given: settings that replace those of its start: where and how fast it runs, or more splits. A time limit is
            not kept.
        as_json: print one JSON object on standard output, everything else on standard error.
        allow_changed: resume although code, data, splits or space changed.

    Raises:
        InputError: the sweep does not exist, is running, has more trials or splits than given, or changed.
        typer.Exit: 130 if interrupted; 1 if the sweep stopped itself.
    """
    from orchestrator.sweeps.budget import check_budget, check_splits, is_met, set_budget
    from orchestrator.sweeps.fingerprint import add_splits

    console = make_console(sys.stderr if as_json else sys.stdout)
    workspace = find_sweep(reference, out)
    out = workspace.root.parent
    with lock_sweep(workspace):
        before = load_spec(workspace.spec)
        if trials is not None:
            check_budget(workspace, trials)
        spec = before.changed({"max_hours": None, **given, "trials": before.trials if trials is None else trials})
        check_splits(before, spec)
        if is_met(workspace, spec.trials) and spec.splits == before.splits:
            result = _finished(workspace, spec, console, out)
        else:
            # The budget is raised last, so that a sweep that cannot be resumed stays as it was.
            prepared = _prepare(spec, workspace, console, allow_changed)
            add_splits(prepared, workspace)
            set_budget(workspace, before, spec.trials, spec.splits)
            result = _run(spec, workspace, console, out, allow_changed, prepared)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def _prepare(spec: SweepSpec, workspace: Workspace, console: Console, allow_changed: bool) -> PreparedSweep:
    """Return the checked sweep; one that is resumed must be unchanged since its start.

    The screen shows something before the libraries are loaded, which takes seconds.
    """
    from orchestrator.execution.progress_snapshot import Phase
    from orchestrator.execution.sweep_monitor import SweepMonitor
    from orchestrator.reporting.live_view import LiveView

    monitor = SweepMonitor(spec.name, f"{spec.name}: {spec.variant} on {Path(spec.dataset).name}")
    with _libraries_silenced(console, workspace) as terminal, LiveView(terminal, monitor) as view:
        view.enter(Phase.LOADING)
        from orchestrator.execution.prepare import prepare
        from orchestrator.search.space import load_space
        from orchestrator.sweeps.fingerprint import check_unchanged
        from orchestrator.sweeps.run import execute_sweep  # noqa: F401

        view.enter(Phase.DATA)
        _check_surroundings(spec, workspace, terminal)
        resumed = workspace.spec.is_file()
        space = load_space(workspace.space, begun=True) if resumed else None
        prepared = prepare(spec, view.count, space, begun=resumed and workspace.first.is_file())
        if resumed and not allow_changed:
            check_unchanged(prepared, workspace)
        return prepared


@contextmanager
def _libraries_silenced(console: Console, workspace: Workspace) -> Iterator[Console]:
    """Keep what libraries print from the screen; append it to the sweep's log at the end, unless the block raises.

    Yields:
        A console in the place of the given one.
    """
    from orchestrator.core.output_capture import is_standard_output, redirect_output

    with TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with redirect_output(log) as (out_stream, err_stream):
            if is_standard_output(console.file):
                yield make_console(err_stream if console.file is sys.stderr else out_stream)
            else:
                yield console
        if printed := log.read_bytes():
            with workspace.log.open("ab") as file:
                file.write(printed)


def _run(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    out: Path,
    allow_changed: bool,
    prepared: PreparedSweep | None = None,
) -> dict[str, Any]:
    """Run a new or unfinished sweep; exit if it is interrupted or stops."""
    resumed = workspace.spec.is_file()
    if prepared is None:
        prepared = _prepare(spec, workspace, console, allow_changed)
    from orchestrator.core.output_capture import redirect_output
    from orchestrator.sweeps.fingerprint import save_fingerprint
    from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
    from orchestrator.sweeps.run import execute_sweep
    from orchestrator.sweeps.signals import SignalHandler

    signals = SignalHandler()
    try:
        with signals.installed():  # before the sweep exists, so that a signal always prints how to resume
            if not resumed:
                _write_start(prepared, workspace, console)
                save_fingerprint(prepared, workspace)
            _print_exclusions(console, prepared)
            send_logs_to(logging.FileHandler(workspace.log, encoding="utf-8"))
            with redirect_output(workspace.log) as (out_stream, err_stream):
                stream = err_stream if console.file is sys.stderr else out_stream
                terminal = make_console(stream)
                signals.force_exit = exit_immediately(terminal, spec, out, INTERRUPTED)
                ray_lost = exit_immediately(terminal, spec, out, FAILED)
                result = execute_sweep(prepared, workspace, terminal, signals, ray_lost)
        _print_if_ended_early(result, spec, console, out)
        return result
    except InputError:
        if not resumed and not workspace.ledger.exists() and not workspace.spool.exists():
            shutil.rmtree(workspace.root)  # it was not started
        raise
    except (SweepInterrupted, KeyboardInterrupt):
        if not workspace.spec.is_file():
            raise
        console.print(f"\nInterrupted; nothing is lost. Resume with:\n  {resume_command(spec, out)}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if workspace.result.is_file():  # what fails after it cannot undo the result
            logger.exception("the sweep is finished; its cleanup failed")
            return _read_result(workspace)
        full = is_disk_full(error) and workspace.spec.is_file()
        if not full and not isinstance(error, SweepStopped):
            raise
        reason = f"The disk is full ({format_bytes(free_bytes(workspace.root))} free at {workspace.root})."
        console.print(f"\n{reason if full else error}", style="red", highlight=False, markup=False, soft_wrap=True)
        console.print(
            f"The sweep stopped; nothing is lost. Resume with:\n  {resume_command(spec, out)}", soft_wrap=True
        )
        raise typer.Exit(FAILED) from None


def _check_surroundings(spec: SweepSpec, workspace: Workspace, console: Console) -> None:
    """Print the settings that the environment or the profile decided; check MLflow and the place of Ray's files.

    Raises:
        InputError: a setting is wrong, MLflow can never take the sweep's runs, or Ray has no place for its files.
    """
    from orchestrator.cluster.session import check_local_session
    from orchestrator.tracking.check_destination import check_destination
    from orchestrator.tracking.destination import plan_destination
    from orchestrator.tracking.spool import Spool

    check_local_session(spec.address)
    target = plan_destination(spec, Spool(workspace.spool))
    for sentence in sources(spec, resumed=workspace.spec.is_file()):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    for sentence in check_destination(target.tracking_uri, target.experiment):
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def make_console(stream: TextIO) -> Console:
    """Return a console on a stream, wide enough for the result table if that is not a terminal."""
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH)


def _write_start(prepared: PreparedSweep, workspace: Workspace, console: Console) -> None:
    """Write the first trials and the provenance; the spec comes later, since its presence marks a complete folder."""
    from orchestrator.tracking.provenance import provenance

    first, notes = prepared.first_trials()
    first.save(workspace.first)
    workspace.provenance.write_text(json.dumps(provenance(), indent=1) + "\n", encoding="utf-8")
    for note in notes:
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _print_if_ended_early(result: dict[str, Any], spec: SweepSpec, console: Console, out: Path) -> None:
    """Print how to resume a search that `--max-hours` ended before its budget was met."""
    from orchestrator.sweeps.budget import exhausted

    budget = result.get("budget", 0)
    if budget and (done := sum(result["counts"].values())) < budget and "search" not in exhausted(result):
        console.print(
            f"\n--max-hours ended the search after {done} of {budget} trials. "
            f"Resume with:\n  {resume_command(spec, out)}",
            highlight=False,
            soft_wrap=True,
        )


def _merge_settings(spec: SweepSpec, before: SweepSpec, out: Path) -> SweepSpec:
    """Return the settings of a sweep's start, with the given ones of where and how fast it runs.

    Raises:
        InputError: another setting differs.
    """
    from orchestrator.core.spec import RESUMABLE_SETTINGS

    given = spec.model_fields_set
    changed = {key: (old, new) for key, (new, old) in spec.differences(before).items() if key in given}
    if changed:
        differences = "; ".join(f"{key} was {old}, now {new}" for key, (old, new) in sorted(changed.items()))
        only_budget = set(changed) == {"trials"} and spec.trials > before.trials
        advice = f"Raise its budget with: {resume_command(before, out)} --trials {spec.trials}" if only_budget else ""
        raise InputError(
            f"A sweep named {before.name} exists with other settings ({differences}). {advice or 'Use another --name.'}"
        )
    return before.model_copy(update={key: getattr(spec, key) for key in given & RESUMABLE_SETTINGS})


def _finished(workspace: Workspace, spec: SweepSpec, console: Console, out: Path) -> dict[str, Any] | None:
    """Print and return the result of a finished sweep, None if it is not finished; upload events that are pending."""
    from orchestrator.reporting.finished_sweep import print_finished, read_result

    if not workspace.result.is_file():
        return None
    result = _read_result(workspace)
    print(f"The sweep {workspace.name} is finished.", file=sys.stderr)
    if shown := read_result(workspace, spec):
        print_finished(console, workspace, spec, shown)
    _upload_pending(workspace, spec, console)
    _print_if_ended_early(result, spec, console, out)
    return result


def _read_result(workspace: Workspace) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(workspace.result.read_text(encoding="utf-8"))
    return result


def _upload_pending(workspace: Workspace, spec: SweepSpec, console: Console) -> None:
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
    _print_notes(console, prepared.dataset)
    estimate = dry_run(prepared)
    if as_json:
        print(json.dumps(estimate.as_dict()))
    else:
        estimate.show(console)


def _print_exclusions(console: Console, prepared: PreparedSweep) -> None:
    """Print the images that are excluded from the data sets, by reason, and scores that MLflow shows otherwise."""
    from orchestrator.execution.check_score_names import renamed_in_mlflow

    for sentence in renamed_in_mlflow(prepared.targets):
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)
    cross = prepared.cross
    for dataset in (prepared.dataset, *([cross.dataset] if cross else [])):
        _print_notes(console, dataset)
        for reason, names in dataset.quarantined_names().items():
            shown = ", ".join(names[:3])
            console.print(f"Excluded: {len(names)} × {reason} ({shown} …)", style="yellow", highlight=False)
    for sentence in cross.sentences() if cross else ():
        console.print(sentence, highlight=False, soft_wrap=True)


def _print_notes(console: Console, dataset: Dataset) -> None:
    """Print what was assumed to read a data set."""
    for note in dataset.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
