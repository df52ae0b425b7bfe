"""`python -m orchestrator.report SWEEP`: write the report page of a sweep, or of several side by side."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, SWEEPS, Debug, Json, Out


@command
@examples("python -m orchestrator.report SWEEP", "python -m orchestrator.report SWEEP OTHER --to comparison.html")
def report(
    sweeps: Annotated[list[str], typer.Argument(help="Names, ids or folders of sweeps.", metavar="SWEEP...")],
    to: Annotated[
        Path | None,
        typer.Option(
            help="HTML file to write.",
            rich_help_panel=OUTPUT_PANEL,
            show_default="the sweep's own page, or report.html here",
        ),
    ] = None,
    out: Out = SWEEPS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the report page of a sweep, finished or not, or one page that compares several."""
    from orchestrator.core.errors import InputError, reason
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.reporting.page.load_libraries import load_optuna_plots
    from orchestrator.reporting.page.write_report import write_report

    load_optuna_plots()
    workspaces = [find_sweep(sweep, out) for sweep in sweeps]
    try:
        path = write_report(workspaces, to)
    except OSError as error:
        raise InputError(f"The report cannot be written: {reason(error)}. Choose another file with --to.") from error
    if json:
        print(json_format.dumps({"report": str(path), "sweeps": [workspace.name for workspace in workspaces]}))
    else:
        print(f"Report  {path}")


if __name__ == "__main__":
    report()
