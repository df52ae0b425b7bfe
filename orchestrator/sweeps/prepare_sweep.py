"""Prepare a sweep for its start or resume: load the libraries, check the surroundings, read the data."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.core.console import console_on
from orchestrator.core.spec import SweepSpec, sources
from orchestrator.core.sweep_folder import Workspace

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep
    from orchestrator.execution.session_thread import SessionThread
    from orchestrator.search.space import SearchSpace
    from orchestrator.sweeps.embedding import Embedding


def prepare_sweep(
    spec: SweepSpec,
    workspace: Workspace,
    console: Console,
    allow_changed: bool,
    session: SessionThread,
    space: SearchSpace | None = None,
    embedding: Embedding | None = None,
) -> PreparedSweep:
    """Return the checked sweep; one that is resumed must be unchanged since its start, apart from the given space.

    The session is begun once all files are read.

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
        terminal = console_on(stream, console)
        view = stack.enter_context(LiveView(terminal, monitor, make_screen=make_screen))
        stack.push(session.close_after_error)  # while its output is captured
        view.enter(Phase.LOADING)
        from orchestrator.execution.prepare import prepare
        from orchestrator.search.space import load_space
        from orchestrator.sweeps.change_ranges import finish_change
        from orchestrator.sweeps.fingerprint import check_unchanged
        from orchestrator.sweeps.run import execute_sweep  # noqa: F401

        view.enter(Phase.DATA)
        check_surroundings(spec, workspace, terminal)
        resumed = workspace.spec.is_file()
        if resumed:
            finish_change(workspace, frozen=spec.backbone == "frozen")
        present = load_space(workspace.space, begun=True) if resumed else None
        begun = resumed and workspace.first.is_file()
        prepared = prepare(spec, view.count, space or present, begun=begun, files_read=session.start)
        if resumed and not allow_changed:
            check_unchanged(replace(prepared, space=present) if space and present else prepared, workspace)
        return prepared


def check_surroundings(spec: SweepSpec, workspace: Workspace, console: Console) -> None:
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
