"""`python -m orchestrator.resume`: go on with a sweep, or give it more trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command


@command
def resume(
    sweep: Annotated[str, typer.Argument(help="Name, id or folder of the sweep.")],
    trials: Annotated[int | None, typer.Option(help="Its budget from now on; a larger one extends it.")] = None,
    max_hours: Annotated[float | None, typer.Option(help="Ask for no more trials after this long.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Trials at a time, if fewer than fit.")] = None,
    priority: Annotated[
        float | None, typer.Option(help="Weight among the sweeps of a shared cluster: 2 gets twice the slots of 1.")
    ] = None,
    cpus_per_trial: Annotated[float | None, typer.Option(help="CPUs of a trial.")] = None,
    gpus_per_trial: Annotated[str | None, typer.Option(help="GPUs of a trial: a number, a fraction, or auto.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join, or local; else RAY_ADDRESS, the profile's, or a new one.")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else the sweep's own.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set, if it has moved.")] = None,
    test_data_root: Annotated[Path | None, typer.Option(help="Folder of the second data set, likewise.")] = None,
    max_epoch_minutes: Annotated[
        float | None, typer.Option(help="A trial with no epoch for this long hangs and starts again, once.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Checkpoints to keep: best:K, last, all or none.")] = None,
    keep_bytes: Annotated[str | None, typer.Option(help="All checkpoints together at most, such as 2GB.")] = None,
    min_free: Annotated[str | None, typer.Option(help="Write no checkpoint with less disk free, such as 1GB.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    allow_changed: Annotated[bool, typer.Option(help="Go on although code, data or space changed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Go on with an unfinished sweep, raise the budget of any, or show the result of a finished one."""
    from orchestrator.sweeps.start import resume_sweep

    given = {
        "max_hours": max_hours,
        "concurrency": concurrency,
        "priority": priority,
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "address": address,
        "tracking_uri": tracking_uri,
        "data_root": data_root,
        "test_data_root": test_data_root,
        "max_epoch_minutes": max_epoch_minutes,
        "keep": keep,
        "keep_bytes": keep_bytes,
        "min_free": min_free,
    }
    given = {key: value for key, value in given.items() if value is not None}
    resume_sweep(sweep, out, trials, given, as_json=json, allow_changed=allow_changed)


if __name__ == "__main__":
    resume()
