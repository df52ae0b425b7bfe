"""Running one job, a step at a time, from where its folder says it is; knows no Ray."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import pandas as pd
import torch

from models import build_variant, encoders
from models.finetuned import FinetunedModel, Finetuning, finetuned
from models.scoring import ScoringModel
from orchestrator.execution.agreement import flat_agreement
from orchestrator.execution.cross_test import CROSS_PREDICTIONS
from orchestrator.execution.job import Epoch, Job
from orchestrator.execution.task import SweepTask
from orchestrator.scorer import ScorerCard, save_scorer
from orchestrator.search.outcome import Outcome
from orchestrator.training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from orchestrator.training.fit import Training
from orchestrator.training.settings import FitSettings

MODEL = "model"
"""In the folder of a confirm run: the best epoch's model, ready to score images."""

PREDICTIONS = "predictions.csv"
"""In the folder of a confirm run: a row an image of its validation and test parts, true and predicted scores."""


class TrainingSteps:
    """Trains a variant, one epoch a step, and leaves a checkpoint after each."""

    def __init__(self, job: Job, task: SweepTask) -> None:
        torch.set_num_threads(task.threads)
        self._job = job
        self._task = task
        self._folder = task.trials / job.key
        self._folder.mkdir(parents=True, exist_ok=True)
        self._history = self._folder / "epochs.jsonl"
        data = task.training_data(job.split)
        settings = FitSettings.from_dict({**job.training, "seed": job.seed})
        model = build_model(job, task)
        self._training = Training(model, data, settings, torch.device(task.device))
        self._pending: list[Epoch] = []
        if has_checkpoint(self._folder):
            self._training.load_state_dict(load_checkpoint(self._folder))
            self._pending = [e for e in self._read_history() if e.number <= self._training.epoch]
        self._rewrite_history(self._pending)

    def step(self) -> dict[str, Any]:
        """Trains an epoch, or tells again what was done before the worker died."""
        epochs, self._pending = self._pending, []
        if not epochs and not self._training.finished:
            epochs = [self._epoch()]
        message: dict[str, Any] = {"epochs": [asdict(epoch) for epoch in epochs]}
        if self._training.finished:
            message |= {"outcome": str(Outcome.COMPLETE), "final": self._final()}
        return message

    def _epoch(self) -> Epoch:
        started = time.perf_counter()
        result = self._training.run_epoch()
        metrics = {key: value for key, value in result.as_dict().items() if key not in {"epoch", "seconds"}}
        epoch = Epoch(
            number=result.epoch,
            objective=result.objective,
            metrics={**metrics, "epoch_seconds": result.seconds},
            seconds=time.perf_counter() - started,
            time=time.time(),
            diverged=result.diverged,
        )
        with self._history.open("a") as file:
            file.write(_line(epoch))
        save_checkpoint(self._folder, self._training.state_dict())
        return epoch

    def _final(self) -> dict[str, float]:
        best = self._training.best
        if best is None:
            return {}
        figures = {key: value for key, value in best.result.as_dict().items() if key.startswith("val_")}
        final = {f"best_{key}": value for key, value in figures.items()}
        final["best_epoch"] = best.result.epoch
        return final | (self._test() if self._job.test else {})

    def _test(self) -> dict[str, float]:
        """Reads the test rows, and those of a second data set, once, with the best epoch's weights."""
        self._training.restore_best()
        self._export()
        split = self._task.splits[self._job.split]
        parts = {"validation": split.validation, "test": split.test}
        tables = [
            prediction_table(self._task, part, rows, self._training.predict(torch.from_numpy(rows)))
            for part, rows in parts.items()
        ]
        table = pd.concat(tables)
        table.to_csv(self._folder / PREDICTIONS, index=False)
        return flat_agreement(table, self._task.targets, "test_") | self._cross(tables[0])

    def _cross(self, validation: pd.DataFrame) -> dict[str, float]:
        cross, training = self._task.cross, self._training
        if cross is None:
            return {}
        table = cross.table(cross.predict(training.model, training.scale, training.device), self._task.targets)
        table.to_csv(self._folder / CROSS_PREDICTIONS, index=False)
        return cross.figures(validation, table, cross.prefix)

    def _export(self) -> None:
        save_scorer(
            self._folder / MODEL,
            ScorerCard(
                variant=self._job.variant,
                parameters={**self._job.model, **({"of": self._job.of} if self._job.of else {})},
                targets=self._task.targets,
                score_mean=tuple(self._training.scale.mean.tolist()),
                score_std=tuple(self._training.scale.std.tolist()),
                encoders=dict(self._task.encoders),
                encoder_identities=dict(self._task.features.identity),
                shapes={name: self._task.features.shapes[name] for name in self._task.reads},
                backbone=self._job.backbone if self._task.finetune else None,
            ),
            self._training.model,
        )

    def _read_history(self) -> list[Epoch]:
        latest: dict[int, Epoch] = {}
        for line in self._history.read_text().splitlines():
            try:
                epoch = Epoch(**json.loads(line))
            except (ValueError, TypeError):
                continue  # the half line of a killed worker
            latest.setdefault(epoch.number, epoch)
        return [latest[number] for number in sorted(latest)]

    def _rewrite_history(self, epochs: list[Epoch]) -> None:
        """Leaves these epochs only: to half a line of a killed worker the next one would be glued."""
        draft = self._history.with_suffix(".draft")
        draft.write_text("".join(map(_line, epochs)))
        draft.replace(self._history)


def _line(epoch: Epoch) -> str:
    return json.dumps(asdict(epoch)) + "\n"


def build_model(job: Job, task: SweepTask) -> ScoringModel | FinetunedModel:
    """The job's variant, initialised from the job's seed; behind a pretrained backbone where that is fine-tuned."""
    of = {"of": job.of} if job.of else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        model = build_variant(job.variant, task.features.shapes, len(task.targets), **{**job.model, **of})
        if not task.finetune:
            return model
        encoder = encoders.build_encoder(task.encoders["image"])
        return finetuned(encoder, model, Finetuning(**job.backbone))


def prediction_table(task: SweepTask, part: str, rows: Any, predicted: Any) -> pd.DataFrame:
    """Rows with their names, prompts, generators, true scores and predicted ones, (n, T) in MOS units."""
    columns: dict[str, Any] = {
        "part": part,
        "name": [task.names[row] for row in rows],
        "prompt_id": task.prompt_ids[rows],
        "generator": [task.generators[row] for row in rows],
    }
    for column, target in enumerate(task.targets):
        columns[target] = task.scores[rows, column]
        columns[f"predicted_{target}"] = predicted[:, column]
    return pd.DataFrame(columns)
