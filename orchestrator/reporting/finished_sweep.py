"""Result of a finished sweep, printed as at the sweep's end; nothing is computed again."""

from __future__ import annotations

import os

from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.result_rows import Result
from orchestrator.reporting.tables import print_pointers, print_result
from orchestrator.reporting.winning_parameters import print_reuse


def print_finished(console: Console, workspace: Workspace, spec: SweepSpec, result: Result) -> None:
    """Print tables, sentences and parameters of a result, how to use them again, and where everything is."""
    print_result(console, result, os.path.relpath(workspace.report))
    print_reuse(console, spec, workspace, result)
    if "mlflow" in result and "slots" in result:
        print_pointers(console, workspace, result)
