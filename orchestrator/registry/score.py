"""What `orchestrator.score` does once it is known what was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.data.progress import progress_bar
from orchestrator.execution.device import training_device
from orchestrator.registry.resolve import load_found, resolve_model
from orchestrator.registry.score_inputs import read_requests
from orchestrator.registry.score_table import ranked, records, show_scores, write_scores

if TYPE_CHECKING:
    from orchestrator.registry.verify_scores import ScoreVerification

_BEST = 20


@dataclass(frozen=True)
class ScoreOptions:
    """With which model, where, and how it is told.

    Attributes:
        model: see `found_model`.
        sweeps: folder that sweeps live in.
        tracking_uri: MLflow's, where it was given.
        device: "cpu", "cuda" or "auto".
        json: whether one JSON object is printed.
    """

    model: str
    sweeps: Path
    tracking_uri: str | None
    device: str
    json: bool


def score_images(
    asked: ScoreOptions, given: Sequence[Path], prompt: str | None, criteria: str | None, out: Path | None
) -> bool:
    """Scores, prints, writes; gives whether any image was scored.

    Raises:
        InputError: there is no such model, nothing to score, no prompt, or criteria that nothing would read.
    """
    requests = read_requests(given, prompt, criteria)
    with resolve_model(asked.model, asked.sweeps, asked.tracking_uri) as found:
        scorer = load_found(found, chosen_device(asked.device))
        name = found.name
    if scorer.needs_criteria and not all(requests.criteria):
        raise InputError(
            f"A model of {scorer.config.variant} reads what is asked of the images: give --criteria TEXT, or a column "
            "criteria."
        )
    if criteria is not None and not scorer.needs_criteria:
        raise InputError(f"A model of {scorer.config.variant} reads no criteria: leave out --criteria.")
    with progress_bar() as progress:
        table = scorer(requests.images, requests.prompts, requests.criteria, progress=progress)
    targets = scorer.config.targets
    table = ranked(table, targets)
    if out is not None:
        write_scores(table, out)
    if asked.json:
        print(json.dumps({"model": name, "scores": records(table)}))
    else:
        show_scores(Console(), table, targets, None if out is None else _BEST)
    return bool(table["reason"].isna().any())


def check_again(asked: ScoreOptions, dataset: str | None, data_root: Path | None) -> bool:
    """Scores a model's test images again and says how far the scores differ; gives whether they agree.

    Raises:
        InputError: there is no such model, it has no predictions, or its images are not there.
    """
    from orchestrator.registry.verify_scores import check_model

    with resolve_model(asked.model, asked.sweeps, asked.tracking_uri) as found:
        scorer = load_found(found, chosen_device(asked.device))
        with progress_bar() as progress:
            check = check_model(found, scorer, dataset, data_root, progress)
        if asked.json:
            print(json.dumps({"model": found.name, "passed": check.passed, **_plain(asdict(check))}))
        else:
            _show_check(Console(), found.name, check)
    return check.passed


def chosen_device(given: str) -> str:
    """A device of torch; raises InputError where it is not there."""
    import torch

    cuda = torch.cuda.is_available()
    if given == "auto":
        return training_device(cuda)
    if given.partition(":")[0] not in {"cpu", "cuda"}:
        raise InputError(f"--device is cpu, cuda or auto, not {given!r}.")
    if given.startswith("cuda") and not cuda:
        raise InputError("There is no CUDA device here: leave out --device.")
    return given


def _plain(value: Any) -> Any:
    """As JSON has it: NaN is null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


def _show_check(console: Console, name: str, check: ScoreVerification) -> None:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for title in ("", "SRCC recorded", "again", "PLCC recorded", "again", "largest difference", "mean", "allowed"):
        shown.add_column(title, justify="right" if title else "left")
    for target, largest in check.largest.items():
        then, now = check.recorded[target], check.again[target]
        figures = [then["srcc"], now["srcc"], then["plcc"], now["plcc"]]
        apart = [largest, check.mean[target], check.tolerance[target]]
        shown.add_row(target, *(f"{figure:.4f}" for figure in figures), *(f"{difference:.2g}" for difference in apart))
    console.print(f"{name}: {check.images} test images of {check.dataset} scored again.", markup=False, soft_wrap=True)
    console.print(shown)
    if check.missing:
        first = ", ".join(check.missing[:3])
        console.print(f"{len(check.missing)} of them are not there or cannot be read: {first}", style="yellow")
    console.print("The scores are the same." if check.passed else "The scores are not the same.")
