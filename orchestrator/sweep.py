"""`python -m orchestrator.sweep`: search a variant, confirm the best, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import command, names

Out = Annotated[Path, typer.Option(help="Folder that sweeps live in.")]


@command
def sweep(
    variant: Annotated[str | None, typer.Option(help="What is searched: a registered variant.")] = None,
    dataset: Annotated[str | None, typer.Option(help="shapes, agiqa3k or csv:FILE.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    test_dataset: Annotated[
        str | None, typer.Option(help="A second data set: confirm runs and baselines score it as well.")
    ] = None,
    test_data_root: Annotated[Path | None, typer.Option(help="Folder of the second data set.")] = None,
    criteria: Annotated[
        Path | None, typer.Option(help="JSON lines of prompt and criteria, for criteria_hyper.")
    ] = None,
    targets: Annotated[str | None, typer.Option(help="Scores to learn, separated by commas.")] = None,
    protocol: Annotated[str | None, typer.Option(help="disjoint (no prompt in two parts), paper or slots.")] = None,
    encoders: Annotated[
        str | None, typer.Option(help="Feature extractors, separated by commas, in place of the defaults.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Image encoder: frozen, or finetune to train it with the model.")
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Budget of trials; the control gets as many.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a training.")] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe, random, gp or cmaes.")] = None,
    pruner: Annotated[str | None, typer.Option(help="halving, hyperband, median or none.")] = None,
    space: Annotated[Path | None, typer.Option(help="A search space of your own, as YAML.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of sampler, initialisation and batches.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Trials at a time, if fewer than fit.")] = None,
    priority: Annotated[
        float | None, typer.Option(help="Weight among the sweeps of a shared cluster: 2 gets twice the slots of 1.")
    ] = None,
    cpus_per_trial: Annotated[
        float | None, typer.Option(help="CPUs of a trial; else 1, or its part beside a GPU.")
    ] = None,
    gpus_per_trial: Annotated[
        str | None, typer.Option(help="GPUs of a trial: a number or fraction, or auto for as many trials as fit.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join, or local; else RAY_ADDRESS, the profile's, or a new one.")
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, the profile's, or here.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option(help="Database to keep trials in; else HYPERASSESS_LEDGER, the profile's, or a file.")
    ] = None,
    storage_path: Annotated[
        str | None,
        typer.Option(
            help="Checkpoints: a folder all nodes see or s3://BUCKET; else HYPERASSESS_STORAGE_PATH, else the sweep's."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The sweep's name; an unfinished one goes on.")] = None,
    confirm: Annotated[int | None, typer.Option(help="Configurations to confirm on test; 0 for none.")] = None,
    splits: Annotated[int | None, typer.Option(help="Train/validation splits of a confirmation.")] = None,
    max_hours: Annotated[float | None, typer.Option(help="Ask for no more trials after this long.")] = None,
    max_epoch_minutes: Annotated[
        float | None, typer.Option(help="A trial with no epoch for this long hangs and starts again, once.")
    ] = None,
    enqueue: Annotated[
        Path | None, typer.Option(help="Configurations to try first: a YAML or JSON list, or CSV.")
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(help="Earlier sweeps of the variant whose best are tried first, by commas.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Checkpoints to keep: best:K, last, all or none.")] = None,
    keep_bytes: Annotated[str | None, typer.Option(help="All checkpoints together at most, such as 2GB.")] = None,
    min_free: Annotated[str | None, typer.Option(help="Write no checkpoint with less disk free, such as 1GB.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML with any of these settings.")] = None,
    out: Out = Path("sweeps"),
    allow_changed: Annotated[bool, typer.Option(help="Go on although code, data or space changed.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check everything, run nothing, estimate.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Search a variant's learning rates and target-net sizes, confirm the best on test, and report."""
    from orchestrator.core.spec import build_spec
    from orchestrator.sweeps.start import start_or_resume

    options: dict[str, Any] = {
        "variant": variant,
        "dataset": dataset,
        "data_root": data_root,
        "test_dataset": test_dataset,
        "test_data_root": test_data_root,
        "criteria": criteria,
        "targets": names(targets),
        "protocol": protocol,
        "encoders": names(encoders),
        "backbone": backbone,
        "trials": trials,
        "epochs": epochs,
        "sampler": sampler,
        "pruner": pruner,
        "space": space,
        "seed": seed,
        "concurrency": concurrency,
        "priority": priority,
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "address": address,
        "tracking_uri": tracking_uri,
        "ledger": ledger,
        "storage_path": storage_path,
        "name": name,
        "confirm": confirm,
        "splits": splits,
        "max_hours": max_hours,
        "max_epoch_minutes": max_epoch_minutes,
        "enqueue": enqueue,
        "keep": keep,
        "keep_bytes": keep_bytes,
        "min_free": min_free,
        "warm_start": names(warm_start),
    }
    spec = build_spec(options, config)
    start_or_resume(spec, out, dry_run=dry_run, as_json=json, allow_changed=allow_changed)


if __name__ == "__main__":
    sweep()
