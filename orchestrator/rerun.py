"""`python -m orchestrator.rerun`: train a trial again and compare the curves."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command, examples
from orchestrator.core.cli_options import PLACES_PANEL, SWEEPS, DataRoot, Debug, Json, Out, TrackingUri

_TRAINING = "Training"


@command
@examples(
    "python -m orchestrator.rerun SWEEP/trial-0003",
    "python -m orchestrator.rerun SWEEP/confirm-0001 --threads 4 --no-log",
)
def rerun(
    run: Annotated[str, typer.Argument(help="SWEEP/trial-0003, a trial's key with --sweep, or an MLflow run id.")],
    sweep: Annotated[
        str | None,
        typer.Option(help="Name, id or folder of the sweep, for a run given by its key.", rich_help_panel=PLACES_PANEL),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of the training.", rich_help_panel=_TRAINING, show_default="as in its sweep"),
    ] = None,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
    log: Annotated[
        bool, typer.Option(help="Log the new curve as a run of its own in MLflow.", rich_help_panel=_TRAINING)
    ] = True,
    out: Out = SWEEPS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a trial again from its MLflow run or sweep; exit code 0 if every figure is the same bit for bit, else 1."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from orchestrator.core.console import make_console
    from orchestrator.sweeps.rerun.log_run import log_rerun
    from orchestrator.sweeps.rerun.original_run import find_origin
    from orchestrator.sweeps.rerun.retrain import retrain

    console = make_console(sys.stderr if json else sys.stdout)
    with TemporaryDirectory(prefix="rerun-") as scratch:
        origin = find_origin(run, sweep, out, tracking_uri, Path(scratch))
        if data_root:
            origin = replace(origin, spec=origin.spec.changed({"data_root": data_root}))
        comparison = retrain(origin, threads, console)
    comparison.show(console)
    if log:
        try:
            console.print(f"In MLflow it is the run {log_rerun(origin, comparison, tracking_uri)}.", highlight=False)
        except Exception as error:  # whatever MLflow raises: the comparison stands without it
            console.print(f"MLflow did not take it: {error}", style="yellow", markup=False, soft_wrap=True)
    if json:
        print(json_format.dumps(comparison.as_dict(), allow_nan=False))
    if not comparison.same:
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    rerun()
