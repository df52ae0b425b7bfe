"""`python -m orchestrator.promote`: make the best confirmed model the champion, if it earns it."""

from __future__ import annotations

import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command


class _Metric(StrEnum):
    srcc = "srcc"
    plcc = "plcc"


@command
def promote(
    variant: Annotated[str, typer.Option(help="The searched variant; its registered model has the same name.")],
    dataset: Annotated[str | None, typer.Option(help="Only sweeps on this data set.")] = None,
    metric: Annotated[
        _Metric, typer.Option(help="Correlation that chooses, on validation, and judges.")
    ] = _Metric.srcc,
    sweep: Annotated[str | None, typer.Option(help="Only this sweep: its name, id or folder.")] = None,
    run: Annotated[str | None, typer.Option(help="This confirm run: SWEEP/confirm-0003, or its MLflow id.")] = None,
    alias: Annotated[str, typer.Option(help="champion, or any other, such as challenger.")] = "champion",
    min_gain: Annotated[float, typer.Option(min=0.0, help="What the interval's lower end has to be above.")] = 0.0,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    force: Annotated[bool, typer.Option("--force", help="Move the alias against the gates; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced; kept in the history.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, and change nothing.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show every move of the alias.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set, if it has moved.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, else here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="With --history: print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Pick the best configuration by validation, judge its median run by the gates, and move the alias if all pass."""
    import sys
    from tempfile import TemporaryDirectory

    from orchestrator.core.errors import InputError
    from orchestrator.core.lookup import unknown_name_message
    from orchestrator.registry.promotion.alias import read_history
    from orchestrator.registry.promotion.cli import check_alias, connect, question, silence_libraries
    from orchestrator.registry.promotion.evaluate_gates import CandidateQuery
    from orchestrator.registry.promotion.gate_inputs import GateThresholds
    from orchestrator.registry.promotion.promote import PromotionOptions, promote_best
    from orchestrator.registry.promotion.show import show_history
    from orchestrator.sweeps.start import make_console

    console = make_console(sys.stdout)
    check_alias(alias)
    if json and not history:
        raise InputError("--json goes with --history: what was judged is kept in the version's tag gates, as JSON.")
    if history:
        client = connect(tracking_uri)
        found = read_history(client, variant, alias)
        if json:
            print(json_format.dumps(found.as_dict()))
        else:
            show_history(console, variant, alias, found)
        return
    if sweep and run:
        raise InputError("Give --sweep or --run, not both: a run belongs to its sweep.")
    if force and not (reason or "").strip():
        raise InputError('--force needs --reason "…": it is kept with the model and in the history.')
    if reason and not force:
        raise InputError("--reason is why a gate is overruled: give --force as well.")
    from models import list_variants

    if variant not in list_variants():
        raise InputError(unknown_name_message("variant", variant, list_variants()))
    confirm = question(yes or dry_run)
    client = connect(tracking_uri)
    wanted = CandidateQuery(variant, dataset, sweep, run, metric.value)
    rules = GateThresholds(metric.value, min_gain, confidence)
    wish = PromotionOptions(alias, dry_run, reason if force else None)
    with TemporaryDirectory(prefix="promote-") as scratch, silence_libraries():
        code = promote_best(client, wanted, rules, wish, out, Path(scratch), console, confirm, data_root)
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    promote()
