"""Names of scores: each needs columns of its own in tables, and metrics of its own in MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import InputError
from orchestrator.core.mlflow_names import ALLOWED, LONGEST, mlflow_name
from orchestrator.core.validation_reason import shown

_COLUMNS = frozenset({"part", "name", "image", "digest", "prompt_id", "prompt", "criteria", "generator"})
"""Columns of the tables of a data set and of its predictions."""

_METRICS = ("srcc", "plcc", "krcc", "rmse", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt")


def check_score_names(targets: Sequence[str]) -> None:
    """Check that no two scores, or a score and something else, share a column or a metric.

    Raises:
        InputError: they do; the message names the score.
    """
    taken = set(_COLUMNS) | {f"predicted_{target}" for target in targets}
    taken |= {f"{target}{kind}" for target in targets for kind in ("_std", "_percentile")}
    if clash := next((target for target in targets if target in taken), None):
        raise InputError(
            f"The score {shown(clash)} has the name of a column of the results: rename it in the table, or choose "
            "others with --targets."
        )
    if len(targets) < 2:
        return  # without metrics of its own
    longest = max(map(len, _METRICS)) + len("control_cross__")
    owners: dict[str, str] = dict.fromkeys(_METRICS, "")
    for target in targets:
        for metric in _METRICS:
            other = owners.setdefault(mlflow_name(f"{metric}_{target}")[: LONGEST - longest], target)
            if other != target:
                whose = f"the score {shown(other)}" if other else f"the metric {metric}_{target}"
                raise InputError(
                    f"MLflow would show the score {shown(target)} and {whose} under one name: rename it, "
                    f"with {ALLOWED} only."
                )


def renamed_in_mlflow(targets: Sequence[str]) -> list[str]:
    """Return a sentence for each score whose metrics have another name in MLflow."""
    if len(targets) < 2:
        return []
    return [
        f"MLflow shows the score {shown(target)} as {mlflow_name(target)}: its names have {ALLOWED} only."
        for target in targets
        if mlflow_name(target) != target
    ]
