"""Run a new or unfinished sweep, with its signals, requests and streams, and send its notifications."""

from __future__ import annotations

import json
import logging
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.cli import FAILED, INTERRUPTED
from orchestrator.core.console import console_on
from orchestrator.core.disk_space import format_bytes, free_bytes, is_disk_full
from orchestrator.core.errors import InputError
from orchestrator.core.logging_setup import send_logs_to
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.prepare_sweep import prepare_sweep
from orchestrator.sweeps.print_prepared import print_exclusions, print_space
from orchestrator.sweeps.resume_hint import exit_immediately, print_if_ended_early, print_reason
from orchestrator.sweeps.show_finished import stored_result

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep
    from orchestrator.execution.session_thread import SessionThread
    from orchestrator.sweeps.embedding import Embedding
    from orchestrator.sweeps.notifier import Notifier

logger = logging.getLogger(__name__)


def run_and_notify(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    out: Path,
    allow_changed: bool,
    session: SessionThread,
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

    notifier = Notifier(spec, workspace, notification_targets(spec.notify))
    try:
        result = _run_notified(spec, workspace, console, out, allow_changed, session, prepared, notifier, embedding)
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
    session: SessionThread,
    prepared: PreparedSweep | None,
    notifier: Notifier,
    embedding: Embedding | None,
) -> dict[str, Any]:
    """Run a sweep; raise SweepInterrupted or SweepStopped if it ends before it is finished."""
    resumed = workspace.spec.is_file()
    if prepared is None:
        prepared = prepare_sweep(spec, workspace, console, allow_changed, session, embedding=embedding)
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
                    print_space(console, prepared)
                _write_start(prepared, workspace, console)
                save_fingerprint(prepared, workspace)
            print_exclusions(console, prepared)
            send_logs_to(logging.FileHandler(workspace.log, encoding="utf-8"))
            with redirect_output(workspace.log) as (out_stream, err_stream):
                terminal = console_on({1: out_stream, 2: err_stream}.get(descriptor(console.file)), console)
                if embedding:  # the process is not the sweep's, so nothing here ends it
                    make_callbacks = partial(embedding.callbacks, Streams(out_stream, err_stream))
                    ray_lost, screen = print_reason(terminal, spec, out), embedding.screen
                else:
                    make_callbacks, screen = None, None
                    ray_lost = exit_immediately(terminal, spec, out, FAILED, notifier)
                    signals.force_exit = exit_immediately(terminal, spec, out, INTERRUPTED, notifier)
                result = execute_sweep(
                    *(prepared, workspace, terminal, signals, ray_lost, requests, session),
                    notifier=notifier,
                    make_callbacks=make_callbacks,
                    make_screen=screen,
                    shows_result=embedding is None or embedding.shows_result,
                )
        print_if_ended_early(result, spec, console, out)
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
            return stored_result(workspace)
        if is_disk_full(error) and workspace.spec.is_file():
            free = format_bytes(free_bytes(workspace.root))
            raise SweepStopped(f"The disk is full ({free} free at {workspace.root}).") from error
        raise


def _write_start(prepared: PreparedSweep, workspace: Workspace, console: Console) -> None:
    """Write the first trials and the provenance; the spec comes later, since its presence marks a complete folder."""
    from orchestrator.tracking.provenance import provenance

    first, notes = prepared.first_trials()
    first.save(workspace.first)
    workspace.provenance.write_text(json.dumps(provenance(), indent=1) + "\n", encoding="utf-8")
    for note in notes:
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
