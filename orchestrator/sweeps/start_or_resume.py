"""Entry points of the commands sweep and resume: start, dry run, resume, or the result of a finished sweep."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import IO, TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console

from orchestrator.core.cli import FAILED, INTERRUPTED
from orchestrator.core.disk_space import format_bytes, free_bytes, is_disk_full
from orchestrator.core.errors import InputError
from orchestrator.core.logging_setup import send_logs_to
from orchestrator.core.spec import SweepSpec, load_spec, sources, with_defaults
from orchestrator.core.sweep_folder import Workspace, archive_of, find_sweep, lock_sweep
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.resume_hint import exit_immediately, print_reason, resume_command

if TYPE_CHECKING:
    from orchestrator.data import Dataset
    from orchestrator.execution.prepare import PreparedSweep
    from orchestrator.search.space import SearchSpace
    from orchestrator.sweeps.embedding import Embedding
    from orchestrator.sweeps.notifier import Notifier

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
    spec = with_earlier_sweeps(spec, out)
    if dry_run:
        spec = with_defaults(spec)
        _check_surroundings(spec, Workspace((out / spec.name).absolute()), console)
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
            spec = _merge_settings(spec, before, out)
        else:
            spec = with_defaults(spec)
        found = _finished(workspace, spec, console, out, embedding)
        return found or _run(spec, workspace, console, out, allow_changed, embedding=embedding)


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
            result = _finished(workspace, spec, console, out)
        else:
            # The budget is raised last, so that a sweep that cannot be resumed stays as it was.
            prepared = _prepare(spec, workspace, console, allow_changed, space)
            if space:
                check_models_of(prepared)
                console.print(sentence, highlight=False)
                _print_space(console, prepared)
                save_space(workspace, prepared.space, frozen=not prepared.finetune)
            add_splits(prepared, workspace)
            set_budget(workspace, before, spec.trials, spec.splits)
            with exit_if_stopped(spec, out, console):
                result = _run(spec, workspace, console, out, allow_changed, prepared)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def _prepare(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    allow_changed: bool,
    space: SearchSpace | None = None,
    embedding: Embedding | None = None,
) -> PreparedSweep:
    """Return the checked sweep; one that is resumed must be unchanged since its start, apart from the given space.

    The screen shows something before the libraries are loaded, which takes seconds.
    """
    from orchestrator.core.output_capture import capture_libraries
    from orchestrator.execution.progress_snapshot import Phase
    from orchestrator.execution.sweep_monitor import SweepMonitor
    from orchestrator.reporting.live_view import LiveView

    monitor = SweepMonitor(spec.name, f"{spec.name}: {spec.variant} on {Path(spec.dataset).name}")
    make_screen = embedding.screen if embedding else None
    with ExitStack() as stack:
        stream = stack.enter_context(capture_libraries(console.file, workspace.log))
        terminal = _console_on(stream, console)
        view = stack.enter_context(LiveView(terminal, monitor, make_screen=make_screen))
        view.enter(Phase.LOADING)
        from orchestrator.execution.prepare import prepare
        from orchestrator.search.space import load_space
        from orchestrator.sweeps.change_ranges import finish_change
        from orchestrator.sweeps.fingerprint import check_unchanged
        from orchestrator.sweeps.run import execute_sweep  # noqa: F401

        view.enter(Phase.DATA)
        _check_surroundings(spec, workspace, terminal)
        resumed = workspace.spec.is_file()
        if resumed:
            finish_change(workspace, frozen=spec.backbone == "frozen")
        present = load_space(workspace.space, begun=True) if resumed else None
        prepared = prepare(spec, view.count, space or present, begun=resumed and workspace.first.is_file())
        if resumed and not allow_changed:
            check_unchanged(replace(prepared, space=present) if space and present else prepared, workspace)
        return prepared


def _run(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    out: Path,
    allow_changed: bool,
    prepared: PreparedSweep | None = None,
    embedding: Embedding | None = None,
) -> dict[str, Any]:
    """Run a new or unfinished sweep and send its notifications.

    Raises:
        SweepInterrupted: a signal, or a user at another terminal, interrupted it.
        SweepStopped: it stopped itself.
    """
    from orchestrator.core.notification_target import notification_targets
    from orchestrator.sweeps.notifier import Notifier

    notifier = Notifier(spec, notification_targets(spec.notify))
    try:
        result = _run_notified(spec, workspace, console, out, allow_changed, prepared, notifier, embedding)
        notifier.finished(result)
        return result
    except (SweepInterrupted, KeyboardInterrupt):
        notifier.interrupted()
        raise
    except SweepStopped:
        notifier.failed("the sweep stopped itself")
        raise
    except Exception as error:
        if not isinstance(error, InputError) or workspace.spec.is_file():
            notifier.failed(error)
        raise
    finally:
        if sentence := notifier.close():
            console.print(sentence, style="yellow", highlight=False, soft_wrap=True)


def _run_notified(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    out: Path,
    allow_changed: bool,
    prepared: PreparedSweep | None,
    notifier: Notifier,
    embedding: Embedding | None,
) -> dict[str, Any]:
    """Run a sweep; raise SweepInterrupted or SweepStopped if it ends before it is finished."""
    resumed = workspace.spec.is_file()
    if prepared is None:
        prepared = _prepare(spec, workspace, console, allow_changed, embedding=embedding)
    from orchestrator.core.output_capture import descriptor, redirect_output
    from orchestrator.sweeps.embedding import Streams
    from orchestrator.sweeps.fingerprint import save_fingerprint
    from orchestrator.sweeps.request_poller import RequestPoller
    from orchestrator.sweeps.run import execute_sweep
    from orchestrator.sweeps.signals import SignalHandler

    signals = SignalHandler()
    try:
        # Before the sweep exists, so that a signal always prints how to resume.
        with signals.installed(), RequestPoller(workspace, signals) as requests:
            if not resumed:
                if spec.set:
                    _print_space(console, prepared)
                _write_start(prepared, workspace, console)
                save_fingerprint(prepared, workspace)
            _print_exclusions(console, prepared)
            send_logs_to(logging.FileHandler(workspace.log, encoding="utf-8"))
            with redirect_output(workspace.log) as (out_stream, err_stream):
                terminal = _console_on({1: out_stream, 2: err_stream}.get(descriptor(console.file)), console)
                if embedding:  # the process is not the sweep's, so nothing here ends it
                    make_callbacks = partial(embedding.callbacks, Streams(out_stream, err_stream))
                    ray_lost, screen = print_reason(terminal, spec, out), embedding.screen
                else:
                    make_callbacks, screen = None, None
                    ray_lost = exit_immediately(terminal, spec, out, FAILED, notifier)
                    signals.force_exit = exit_immediately(terminal, spec, out, INTERRUPTED, notifier)
                result = execute_sweep(
                    *(prepared, workspace, terminal, signals, ray_lost, requests),
                    notifier=notifier,
                    make_callbacks=make_callbacks,
                    make_screen=screen,
                )
        _print_if_ended_early(result, spec, console, out)
        return result
    except InputError:
        if not resumed and not workspace.ledger.exists() and not workspace.spool.exists():
            shutil.rmtree(workspace.root)  # it was not started
        raise
    except (SweepInterrupted, KeyboardInterrupt):
        if not workspace.spec.is_file():
            raise
        raise SweepInterrupted(signals.cause) from None
    except Exception as error:
        if workspace.result.is_file():  # what fails after it cannot undo the result
            logger.exception("the sweep is finished; its cleanup failed")
            return _read_result(workspace)
        if is_disk_full(error) and workspace.spec.is_file():
            free = format_bytes(free_bytes(workspace.root))
            raise SweepStopped(f"The disk is full ({free} free at {workspace.root}).") from error
        raise


@contextmanager
def exit_if_stopped(spec: SweepSpec, out: Path, console: Console) -> Iterator[None]:
    """Print how to resume a sweep that is interrupted or stops inside the context, and exit."""
    try:
        yield
    except (SweepInterrupted, KeyboardInterrupt) as error:
        if not Workspace(out / spec.name).spec.is_file():
            raise
        cause = str(error) or "Interrupted"
        console.print(f"\n{cause}; nothing is lost. Resume with:", highlight=False, markup=False)
        console.print(f"  {resume_command(spec, out)}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except SweepStopped as error:
        console.print(f"\n{error}", style="red", highlight=False, markup=False, soft_wrap=True)
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
    from orchestrator.core.notification_target import notification_targets
    from orchestrator.tracking.check_destination import check_destination
    from orchestrator.tracking.destination import plan_destination
    from orchestrator.tracking.spool import Spool

    check_local_session(spec.address)
    notification_targets(spec.notify)
    target = plan_destination(spec, Spool(workspace.spool))
    for sentence in sources(spec, resumed=workspace.spec.is_file()):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    for sentence in check_destination(target.tracking_uri, target.experiment):
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _console_on(stream: IO[str] | None, console: Console) -> Console:
    """Return a console on a stream; the given one if that is its stream, or None."""
    return console if stream is None or stream is console.file else make_console(stream)


def make_console(stream: IO[str]) -> Console:
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


def _finished(
    workspace: Workspace, spec: SweepSpec, console: Console, out: Path, embedding: Embedding | None = None
) -> dict[str, Any] | None:
    """Print and return the result of a finished sweep, None if it is not finished; upload events that are pending."""
    from orchestrator.reporting.finished_sweep import print_finished
    from orchestrator.reporting.read_result import read_result

    if not workspace.result.is_file():
        return None
    result = _read_result(workspace)
    print_result = not embedding
    if print_result:
        print(f"The sweep {workspace.name} is finished.", file=sys.stderr)
    if print_result and (shown := read_result(workspace, spec)):
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
    _print_space(console, prepared)
    estimate = dry_run(prepared)
    if as_json:
        print(json.dumps(estimate.as_dict()))
    else:
        estimate.show(console)


def _print_space(console: Console, prepared: PreparedSweep) -> None:
    """Print the search space as it is searched, with a comment on the entries that `--set` changes."""
    from orchestrator.search.space_text import space_text

    text = indent(space_text(prepared.space, prepared.overridden), "  ")
    console.print(f"Search space of {prepared.spec.variant}:\n{text}", highlight=False, markup=False, soft_wrap=True)


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
