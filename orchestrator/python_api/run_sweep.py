"""Run of a sweep in the calling process, which stays as it was: logging, signals, environment and Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.cluster.session import caller_session
from orchestrator.core.console import make_console
from orchestrator.core.errors import InputError
from orchestrator.core.process_environment import prepare_environment
from orchestrator.core.service_addresses import VARIABLES
from orchestrator.core.shown_commands import resume_command
from orchestrator.core.spec import SweepSpec, build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.python_api.callbacks import check_callbacks, guard
from orchestrator.python_api.notebook_screen import COLUMNS, ROWS, NotebookScreen, in_notebook
from orchestrator.python_api.process_state import preserved_process
from orchestrator.python_api.python_settings import convert_settings
from orchestrator.python_api.sweep import Sweep
from orchestrator.reporting.live_view import ScreenMaker
from orchestrator.sweeps.embedding import Embedding
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.signals import INTERRUPTED
from orchestrator.sweeps.start_or_resume import run_or_read, with_earlier_sweeps


def run_sweep(settings: dict[str, Any], out: Path, callbacks: Iterable[Any], quiet: bool, allow_changed: bool) -> Sweep:
    """Run a sweep as `orchestrator.run_sweep` describes."""
    found = check_callbacks(callbacks)
    with preserved_process():
        prepare_environment()
        spec = with_earlier_sweeps(build_spec(convert_settings(settings, out)), out)
        _join_session(spec)
        console, screen = _output(quiet)
        try:
            embedding = Embedding(partial(guard, found), screen)
            run_or_read(spec, out, console, allow_changed, embedding)
        except (SweepInterrupted, KeyboardInterrupt) as error:
            if not Workspace(out / spec.name).spec.is_file():
                raise  # it was not started
            cause = str(error) or INTERRUPTED
            kind = KeyboardInterrupt if cause == INTERRUPTED else SweepStopped
            raise kind(_how_to_resume(cause, spec, out)) from None
        except SweepStopped as error:
            raise SweepStopped(_how_to_resume(str(error).rstrip("."), spec, out)) from error.__cause__
        return Sweep(Workspace((out / spec.name).absolute()))


def _output(quiet: bool) -> tuple[Console, ScreenMaker | None]:
    """Return the console for messages and, in a notebook, a live screen; the console of a terminal has its own."""
    if quiet:
        return Console(file=StringIO(), quiet=True), None
    if not in_notebook():
        return make_console(sys.stderr), None
    return Console(
        file=sys.stdout, width=COLUMNS, height=ROWS, force_terminal=False, force_jupyter=False
    ), NotebookScreen().drawing


def _how_to_resume(what: str, spec: SweepSpec, out: Path) -> str:
    return f"{what}; nothing is lost. Resume with run_sweep(name={spec.name!r}, …) or: {resume_command(spec.name, out)}"


def _join_session(spec: SweepSpec) -> None:
    """Use the Ray cluster that the program has joined already, if there is one.

    Raises:
        InputError: the settings name another cluster.
    """
    session = caller_session()
    if session is None:
        return
    if spec.address and cluster_address(spec.address) not in (session, "auto"):
        raise InputError(
            f"This process has joined the Ray cluster at {session}: call ray.shutdown() before a sweep on "
            f"{spec.address}."
        )
    os.environ[VARIABLES["address"]] = session
