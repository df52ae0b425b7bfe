"""The baselines of one split, computed as a job beside the trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS
from orchestrator.execution.evaluation import flat_agreement
from orchestrator.execution.job import Job
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.training_job import prediction_table
from orchestrator.execution.trial_dir import LockedTrialDir
from orchestrator.search.outcome import Outcome

REASONS = "reasons.csv"
"""In the folder of a baselines job: why a baseline has no predictions."""


class BaselinesJob:
    """Ridge regression on the variant's features and the predictors that see no pixel, in a single step."""

    def __init__(self, job: Job, task: SweepContext) -> None:
        torch.set_num_threads(task.threads)
        self._job = job
        self._task = task
        self._held = LockedTrialDir(task.trials / job.key)

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return self._held.path

    def step(self) -> dict[str, Any]:
        """Fits every baseline on the training rows and scores validation, test and a second data set."""
        from orchestrator.training.baselines import all_baselines

        task, split = self._task, self._task.splits[self._job.split]
        folder = self._held.path
        data = task.training_data(self._job.split)
        reasons: list[dict[str, str | None]] = []
        final: dict[str, float] = {}
        parts = {"validation": split.validation, "test": split.test}
        rows = torch.from_numpy(np.concatenate(list(parts.values())))
        found = all_baselines(data, task.reads, task.generators, rows, task.cross.other_rows() if task.cross else None)
        for name, by_target in found.items():
            columns = [baseline.predictions for baseline in by_target.values() if baseline.predictions is not None]
            if len(columns) < len(by_target):
                reason = next(baseline.reason for baseline in by_target.values() if baseline.predictions is None)
                reasons.append({"baseline": name, "reason": reason})
                continue
            *predicted, elsewhere = np.split(np.stack(columns, axis=1), [len(split.validation), len(rows)])
            table = pd.concat(
                prediction_table(task, part, own, scores)
                for (part, own), scores in zip(parts.items(), predicted, strict=True)
            )
            table.to_csv(folder / f"{name}.csv", index=False)
            final |= flat_agreement(table, task.targets, f"{name}_test_")
            if task.cross:
                beyond = task.cross.table(elsewhere, task.targets)
                beyond.to_csv(folder / f"{name}_{CROSS_PREDICTIONS}", index=False)
                final |= task.cross.figures(table[table["part"] == "validation"], beyond, f"{name}_{task.cross.prefix}")
        pd.DataFrame(reasons, columns=["baseline", "reason"]).to_csv(folder / REASONS, index=False)
        objective = final.get("ridge_test_srcc", 0.0)
        epoch = {"number": 1, "objective": objective, "metrics": {}, "seconds": 0.0, "time": 0.0}
        self.close()
        return {"epochs": [epoch], "outcome": str(Outcome.COMPLETE), "final": final}

    def close(self) -> None:
        """Lets go of the job's folder."""
        self._held.close()
