"""Job that computes the baselines of one split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS
from orchestrator.execution.job import Job
from orchestrator.execution.locked_trial_dir import LockedTrialDir
from orchestrator.execution.prediction_metrics import flat_agreement
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.training_job import prediction_table
from orchestrator.search.outcome import Outcome

REASONS = "reasons.csv"
"""File in the folder of a baselines job: baselines without predictions, with the reason."""


class BaselinesJob:
    """Ridge regression on the variant's features and the predictors that see no pixel, in a single step."""

    def __init__(self, job: Job, context: SweepContext) -> None:
        torch.set_num_threads(context.threads)
        self._job = job
        self._context = context
        self._trial_dir = LockedTrialDir(context.trials / job.key)

    @property
    def folder(self) -> Path:
        """Folder that the job writes to."""
        return self._trial_dir.path

    def step(self) -> dict[str, Any]:
        """Fit every baseline on the training rows; score the validation rows, the test rows and a second data set."""
        from orchestrator.training.baselines import all_baselines

        context, split = self._context, self._context.splits[self._job.split]
        folder = self._trial_dir.path
        data = context.training_data(self._job.split)
        reasons: list[dict[str, str | None]] = []
        final: dict[str, float] = {}
        parts = {"validation": split.validation, "test": split.test}
        rows = torch.from_numpy(np.concatenate(list(parts.values())))
        found = all_baselines(
            data, context.reads, context.generators, rows, context.cross.other_rows() if context.cross else None
        )
        for name, by_target in found.items():
            columns = [baseline.predictions for baseline in by_target.values() if baseline.predictions is not None]
            if len(columns) < len(by_target):
                reason = next(baseline.reason for baseline in by_target.values() if baseline.predictions is None)
                reasons.append({"baseline": name, "reason": reason})
                continue
            *predicted, elsewhere = np.split(np.stack(columns, axis=1), [len(split.validation), len(rows)])
            table = pd.concat(
                prediction_table(context, part, own, scores)
                for (part, own), scores in zip(parts.items(), predicted, strict=True)
            )
            table.to_csv(folder / f"{name}.csv", index=False)
            final |= flat_agreement(table, context.targets, f"{name}_test_")
            if context.cross:
                beyond = context.cross.table(elsewhere, context.targets)
                beyond.to_csv(folder / f"{name}_{CROSS_PREDICTIONS}", index=False)
                final |= context.cross.figures(
                    table[table["part"] == "validation"], beyond, f"{name}_{context.cross.prefix}"
                )
        pd.DataFrame(reasons, columns=["baseline", "reason"]).to_csv(folder / REASONS, index=False)
        objective = final.get("ridge_test_srcc", 0.0)
        epoch = {"number": 1, "objective": objective, "metrics": {}, "seconds": 0.0, "time": 0.0}
        self.close()
        return {"epochs": [epoch], "outcome": str(Outcome.COMPLETE), "final": final}

    def close(self) -> None:
        """Release the job's folder."""
        self._trial_dir.close()
