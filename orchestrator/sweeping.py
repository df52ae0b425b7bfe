"""What the sweep command does: new, resumed or finished already; dry or for real; table or JSON."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console

from orchestrator.door import FAILED, INTERRUPTED
from orchestrator.errors import InputError
from orchestrator.spec import SweepSpec, load_spec
from orchestrator.workspace import Workspace, held

if TYPE_CHECKING:
    from orchestrator.preparation import Prepared

_PLAIN_WIDTH = 140


def run_sweep(
    spec: SweepSpec, out: Path, dry_run: bool, as_json: bool, allow_changed: bool, stream: TextIO | None = None
) -> None:
    """Runs a sweep, goes on with an unfinished one of the same name, or shows the result of a finished one.

    Args:
        spec: the settings.
        out: folder that sweeps live in.
        dry_run: check and estimate only.
        as_json: one JSON object on standard output, everything else on standard error.
        allow_changed: go on although code, data, splits or space changed.
        stream: where progress and tables go, if not there.

    Raises:
        InputError: something asked for is wrong.
        typer.Exit: 130, interrupted.
    """
    console = make_console(stream or (sys.stderr if as_json else sys.stdout))
    if dry_run:
        _dry_run(spec, console, as_json)
        return
    workspace = Workspace((out / spec.name).absolute())
    with held(workspace):
        if workspace.spec.is_file():
            before = load_spec(workspace.spec)
            spec = _continued(spec, before)
        result = _finished(workspace, spec, console) or _run(spec, workspace, console, out, allow_changed)
    if as_json:
        print(json.dumps(result, allow_nan=False))


def _run(spec: SweepSpec, workspace: Workspace, console: Console, out: Path, allow_changed: bool) -> dict[str, Any]:
    from orchestrator.conduct import Interrupted, Stopped, conduct
    from orchestrator.execution.interruption import Interruption
    from orchestrator.identity import check_unchanged, save
    from orchestrator.preparation import prepare
    from orchestrator.reporting.quiet import output_to_log
    from orchestrator.reporting.terminal import FeatureProgress
    from orchestrator.search.space import load_space

    progress = FeatureProgress(console)
    try:
        resumed = workspace.spec.is_file()
        prepared = prepare(spec, progress, load_space(workspace.space) if resumed else None)
    except (InputError, KeyboardInterrupt):
        _remove_if_empty(workspace)
        raise
    finally:
        progress.close()
    if resumed and not allow_changed:
        check_unchanged(prepared, workspace)
    interruption = Interruption()
    try:
        if not resumed:
            save(prepared, workspace)
        _say_what_is_left_out(console, prepared)
        _log_to(workspace.log)
        with interruption.taken_over(), output_to_log(workspace.log) as (out_stream, err_stream):
            stream = err_stream if console.file is sys.stderr else out_stream
            return conduct(prepared, workspace, make_console(stream), interruption)
    except InputError:
        if not workspace.ledger.exists():
            shutil.rmtree(workspace.root)  # it never began
        raise
    except (Interrupted, KeyboardInterrupt):
        if not workspace.spec.is_file():
            raise
        console.print(f"\nInterrupted; nothing is lost. Go on with:\n  {again(spec, out)}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except Stopped as stopped:
        console.print(f"\n{stopped}", style="red", highlight=False, markup=False, soft_wrap=True)
        console.print(f"The sweep stopped; nothing is lost. Go on with:\n  {again(spec, out)}", soft_wrap=True)
        raise typer.Exit(FAILED) from None


def make_console(stream: TextIO) -> Console:
    """A console on a stream; where that is no terminal, wide enough for the result table."""
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH)


def again(spec: SweepSpec, out: Path) -> str:
    """The command that goes on with a sweep."""
    where = "" if out == Path("sweeps") else f" --out {out}"
    return f"python -m orchestrator.sweep --name {spec.name}{where}"


def _continued(spec: SweepSpec, before: SweepSpec) -> SweepSpec:
    """The settings a sweep began with, those of where and how fast as they are given now."""
    from orchestrator.spec import RUN_ONLY

    given = spec.model_fields_set
    changed = {key: (theirs, mine) for key, (mine, theirs) in spec.differences(before).items() if key in given}
    if changed:
        told = "; ".join(f"{key} was {theirs}, now {mine}" for key, (theirs, mine) in sorted(changed.items()))
        raise InputError(f"A sweep named {before.name} exists with other settings ({told}). Give another --name.")
    return before.model_copy(update={key: getattr(spec, key) for key in given & RUN_ONLY})


def _finished(workspace: Workspace, spec: SweepSpec, console: Console) -> dict[str, Any] | None:
    """The result of a finished sweep, shown again; what still waits for MLflow goes out."""
    if not workspace.result.is_file():
        return None
    result: dict[str, Any] = json.loads(workspace.result.read_text())
    print(f"The sweep {workspace.name} is finished.\n", file=sys.stderr)
    print((workspace.report / "result.md").read_text(), file=sys.stderr)
    _send_what_waits(workspace, spec, console)
    return result


def _send_what_waits(workspace: Workspace, spec: SweepSpec, console: Console) -> None:
    from orchestrator.tracking.spool import Spool

    spool = Spool(workspace.spool)
    if not spool.left():
        return
    from orchestrator.conduct import say_what_waits
    from orchestrator.tracking.recorder import Drain
    from orchestrator.tracking.target import open_sink, resolve_tracking_uri

    tracking_uri = resolve_tracking_uri(spec.tracking_uri)
    drain = Drain(spool, lambda: open_sink(spec, tracking_uri))
    drain.start()
    say_what_waits(console, workspace, drain, tracking_uri)


def _dry_run(spec: SweepSpec, console: Console, as_json: bool) -> None:
    from orchestrator.preparation import prepare
    from orchestrator.rehearsal import rehearse
    from orchestrator.reporting.terminal import FeatureProgress

    progress = FeatureProgress(console)
    try:
        prepared = prepare(spec, progress)
    finally:
        progress.close()
    estimate = rehearse(prepared)
    if as_json:
        print(json.dumps(estimate.as_dict()))
    else:
        estimate.show(console)


def _say_what_is_left_out(console: Console, prepared: Prepared) -> None:
    cross = prepared.cross
    for dataset in (prepared.dataset, *([cross.dataset] if cross else [])):
        for reason, names in dataset.quarantined_names().items():
            shown = ", ".join(names[:3])
            console.print(f"Left out: {len(names)} × {reason} ({shown} …)", style="yellow", highlight=False)
    for sentence in cross.sentences() if cross else ():
        console.print(sentence, highlight=False, soft_wrap=True)


def _log_to(path: Path) -> None:
    """Everything that libraries have to say goes to the sweep's log file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)


def _remove_if_empty(workspace: Workspace) -> None:
    """A sweep that never began leaves no folder behind."""
    if not workspace.spec.is_file():
        workspace.lease.unlink(missing_ok=True)
        (workspace.root / ".holder.json").unlink(missing_ok=True)
        if not any(workspace.root.iterdir()):
            workspace.root.rmdir()
