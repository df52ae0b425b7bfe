"""`python -m orchestrator.rerun`: train a trial again and compare the curves."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command


@command
def rerun(
    run: Annotated[str, typer.Argument(help="SWEEP/trial-0003, a trial's key with --sweep, or an MLflow run id.")],
    sweep: Annotated[str | None, typer.Option(help="Name, id or folder of the sweep of a bare key.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the training; else as its sweep's trials had.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set, if it has moved.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, else here.")] = None,
    log: Annotated[bool, typer.Option(help="Log the new curve as a run of its own in MLflow.")] = True,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Train a trial again from what its run says; 0 if every figure is the same bit for bit, else 1."""
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from orchestrator.sweeps.rerun.log_run import log_rerun
    from orchestrator.sweeps.rerun.original_run import find_origin
    from orchestrator.sweeps.rerun.retrain import retrain
    from orchestrator.sweeps.start import make_console

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
