"""Implementation of the command score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.data.progress import progress_bar
from orchestrator.execution.machine_tags import training_device
from orchestrator.registry.resolve import load_found, resolve_model
from orchestrator.registry.score_inputs import read_requests
from orchestrator.registry.score_table import ranked, records, show_scores, write_scores

if TYPE_CHECKING:
    from orchestrator.registry.verify_scores import ScoreVerification

_BEST = 20
"""Number of rows printed if all scores are written to a file."""


@dataclass(frozen=True)
class ScoreOptions:
    """Options of the command score.

    Attributes:
        model: reference; see `resolve_model`.
        sweeps: folder that sweeps live in.
        tracking_uri: URI of MLflow; None for the default.
        device: "cpu", "cuda" or "auto".
        json: print one JSON object.
    """

    model: str
    sweeps: Path
    tracking_uri: str | None
    device: str
    json: bool


def score_images(
    options: ScoreOptions, given: Sequence[Path], prompt: str | None, criteria: str | None, out: Path | None
) -> bool:
    """Score, print and write; return whether any image was scored.

    Raises:
        InputError: the model does not exist, images or prompt are missing, or the model does not read criteria.
    """
    requests = read_requests(given, prompt, criteria, optional_prompts=True)
    for note in requests.notes:
        Console(stderr=True).print(note, highlight=False, markup=False, soft_wrap=True)
    with resolve_model(options.model, options.sweeps, options.tracking_uri, _load_libraries) as model:
        scorer = load_found(model, chosen_device(options.device))
        name = model.name
    if scorer.needs_prompts and requests.lacks_prompts:
        raise InputError(requests.lacks_prompts)
    if scorer.needs_criteria and not all(requests.criteria):
        raise InputError(
            f"A model of {scorer.config.variant} reads criteria: give --criteria TEXT, or a column criteria."
        )
    if criteria is not None and not scorer.needs_criteria:
        raise InputError(f"A model of {scorer.config.variant} does not read criteria: omit --criteria.")
    with progress_bar() as progress:
        table = scorer(requests.images, requests.prompts, requests.criteria, progress=progress)
    targets = scorer.config.targets
    table = ranked(table, targets)
    if out is not None:
        write_scores(table, out)
    if options.json:
        print(json.dumps({"model": name, "scores": records(table)}))
    else:
        show_scores(Console(), table, targets, None if out is None else _BEST)
    return bool(table["reason"].isna().any())


def check_again(options: ScoreOptions, dataset: str | None, data_root: Path | None) -> bool:
    """Score a model's test images again, print the differences, and return whether the scores agree.

    Raises:
        InputError: the model does not exist, has no predictions, or its images are missing.
    """
    from orchestrator.registry.verify_scores import verify_scores

    with resolve_model(options.model, options.sweeps, options.tracking_uri) as model:
        scorer = load_found(model, chosen_device(options.device))
        with progress_bar() as progress:
            check = verify_scores(model, scorer, dataset, data_root, progress)
        if options.json:
            print(json.dumps({"model": model.name, "passed": check.passed, **_plain(check.as_dict())}))
        else:
            _show_check(Console(), model.name, check)
    return check.passed


def _load_libraries() -> None:
    """Import what every model needs."""
    import pandas  # noqa: F401

    import models.encoders  # noqa: F401
    import orchestrator.training.evaluate  # noqa: F401


def chosen_device(given: str) -> str:
    """Return the device for PyTorch; raise InputError if it does not exist."""
    import torch

    cuda = torch.cuda.is_available()
    if given == "auto":
        return training_device(cuda)
    if given.partition(":")[0] not in {"cpu", "cuda"}:
        raise InputError(f"--device is cpu, cuda or auto, not {given!r}.")
    if given.startswith("cuda") and not cuda:
        raise InputError("There is no CUDA device on this machine: omit --device.")
    return given


def _plain(value: Any) -> Any:
    """Return a value for JSON, with None for NaN."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


def _show_check(console: Console, name: str, check: ScoreVerification) -> None:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    for title in ("", "SRCC recorded", "again", "PLCC recorded", "again", "largest difference", "mean", "allowed"):
        shown.add_column(title, justify="right" if title else "left")
    differences = check.differences
    for target, largest in differences.largest.items():
        then, now = differences.recorded[target], differences.again[target]
        figures = [then["srcc"], now["srcc"], then["plcc"], now["plcc"]]
        apart = [largest, differences.mean[target], differences.tolerance[target]]
        shown.add_row(target, *(f"{figure:.4f}" for figure in figures), *(f"{difference:.2g}" for difference in apart))
    console.print(f"{name}: {check.images} test images of {check.dataset} scored again.", markup=False, soft_wrap=True)
    console.print(shown)
    if check.missing:
        first = ", ".join(check.missing[:3])
        console.print(f"{len(check.missing)} of them are missing or cannot be read: {first}", style="yellow")
    console.print("The scores are the same." if check.passed else "The scores are not the same.")
