"""Training of one job in steps, resumed from the checkpoint in its folder; independent of Ray."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from models import build_variant, encoders
from models.finetuned_model import FinetunedModel, Finetuning, finetuned
from models.scoring_model import ScoringModel
from orchestrator.core.disk_space import format_bytes, free_bytes, is_disk_full
from orchestrator.core.training_files import EPOCHS, MODEL, PREDICTIONS
from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.gpu_memory_limit import limit_gpu_memory
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.locked_trial_dir import LockedTrialDir
from orchestrator.execution.machine_tags import machine_tags
from orchestrator.execution.prediction_metrics import flat_agreement
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.scoring import ModelConfig, save_scorer
from orchestrator.scoring.percentiles import quantiles_of
from orchestrator.search.outcome import Outcome
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.checkpoint_schedule import CheckpointSchedule
from orchestrator.training.settings import FitSettings
from orchestrator.training.trainer import Trainer


class TrainingJob:
    """Training of a variant, one epoch per step, with a checkpoint after each that lasts a second, or after several.

    The job's folder is locked until the last step or `close`.

    Attributes:
        checkpoint_pending: whether the last step was not saved, because the checkpoint follows after a later one.

    Args:
        job: the configuration.
        context: shared by all jobs of the sweep.
        free: returns the bytes free on a folder's disk.

    Raises:
        TrialDirLocked: another worker still writes to the folder.
    """

    def __init__(self, job: Job, context: SweepContext, free: Callable[[Path], int] = free_bytes) -> None:
        torch.set_num_threads(context.threads)
        if context.device == "cuda":
            limit_gpu_memory(context.gpus)
        self._job = job
        self._context = context
        self._free = free
        self._trial_dir = LockedTrialDir(context.trials / job.key)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self._folder = self._trial_dir.path
        self._notes = [note] if (note := self._trial_dir.claim(self._job)) else []
        self._paused = self._placed = False
        self._checkpoints = Checkpoints(self._folder)
        self._schedule = CheckpointSchedule(self._context.checkpoint_seconds)
        self.checkpoint_pending = False
        self._history = EpochLog(self._folder / EPOCHS)
        self._training = self._new_training()
        self._pending = self._resumed()
        self._history.reset(self._pending)

    def _new_training(self) -> Trainer:
        settings = FitSettings.from_dict({**self._job.training, "seed": self._job.seed})
        model = build_model(self._job, self._context)
        return Trainer(
            model, self._context.training_data(self._job.split), settings, torch.device(self._context.device)
        )

    def _resumed(self) -> list[EpochReport]:
        """Resume from the newest usable checkpoint; return the epochs up to it."""
        history = self._history.read()

        def usable(meta: Mapping[str, Any]) -> str | None:
            # Epochs that cannot be reported again would be missing from a ledger that lost them.
            return None if meta["epoch"] <= len(history) else f"the history is whole to epoch {len(history)} only"

        found = self._checkpoints.load(usable)
        if found.state is not None:
            try:
                self._training.load_state_dict(found.state)
            except (ValueError, KeyError) as error:
                aside = self._trial_dir.set_aside()
                self._notes.append(
                    f"{self._job.key} held a checkpoint of another training ({error}); its files are in {aside.name} "
                    "now, and it restarted from the first epoch."
                )
                self._trial_dir.claim(self._job)
                self._checkpoints, self._training = Checkpoints(self._folder), self._new_training()
        done = self._training.epoch
        if found.passed_over:
            action = f"resumed from epoch {done}" if done else "restarted from the first epoch"
            self._notes.append(f"{self._job.key} {action}: {' '.join(found.passed_over)}")
        return history[:done]

    @property
    def folder(self) -> Path:
        """Folder that the job writes to."""
        return self._folder

    def step(self) -> dict[str, Any]:
        """Train an epoch, or report again the epochs before the worker died."""
        epochs, self._pending = self._pending, []
        if not epochs and not self._training.finished:
            epochs = [self._epoch()]
        message: dict[str, Any] = {"epochs": [asdict(epoch) for epoch in epochs]}
        if self._training.finished:
            message |= {"outcome": str(Outcome.COMPLETE), "final": self._final()}
            self.close()
        if self._notes:
            message["notes"], self._notes = self._notes, []
        return message

    def close(self) -> None:
        """Release the job's folder for the worker that resumes it."""
        self._trial_dir.close()

    def _epoch(self) -> EpochReport:
        started = time.perf_counter()
        result = self._training.run_epoch()
        metrics = {key: value for key, value in result.as_dict().items() if key not in {"epoch", "seconds"}}
        epoch = EpochReport(
            number=result.epoch,
            objective=result.objective,
            metrics={**metrics, "epoch_seconds": result.seconds},
            seconds=time.perf_counter() - started,
            time=time.time(),
            diverged=result.diverged,
            place={} if self._placed else machine_tags(self._context.device),
        )
        self._placed = True
        if self._history.append(epoch):
            self.checkpoint_pending = not self._schedule.is_due(self._training.finished)
            if not self.checkpoint_pending:
                self._save()
        else:
            self._pause()
        return epoch

    def _save(self) -> None:
        if self._free(self._folder) < max(self._context.min_free, 2 * self._checkpoints.size):
            self._pause()
            return
        try:
            self._checkpoints.save(self._training.state_dict())
            self._schedule.saved()
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._pause()

    def _pause(self) -> None:
        """Pause checkpoints while the disk is nearly full; note it once per job."""
        if not self._paused:
            free = format_bytes(self._free(self._folder))
            self._notes.append(f"Disk nearly full ({free} free at {self._context.trials}): checkpoints are paused.")
        self._paused = True

    def _final(self) -> dict[str, float]:
        best = self._training.best
        if best is None:
            return {}
        figures = {key: value for key, value in best.result.as_dict().items() if key.startswith("val_")}
        final = {f"best_{key}": value for key, value in figures.items()}
        final["best_epoch"] = best.result.epoch
        return final | (self._test() if self._job.test else {})

    def _test(self) -> dict[str, float]:
        """Score the test rows and a second data set with the best epoch's weights."""
        self._training.restore_best()
        self._export()
        split = self._context.splits[self._job.split]
        parts = {"validation": split.validation, "test": split.test}
        tables = [
            prediction_table(self._context, part, rows, self._training.predict(torch.from_numpy(rows)))
            for part, rows in parts.items()
        ]
        table = pd.concat(tables)
        table.to_csv(self._folder / PREDICTIONS, index=False)
        return flat_agreement(table, self._context.targets, "test_") | self._cross(tables[0])

    def _cross(self, validation: pd.DataFrame) -> dict[str, float]:
        cross, training = self._context.cross, self._training
        if cross is None:
            return {}
        table = cross.table(cross.predict(training.model, training.scale, training.device), self._context.targets)
        table.to_csv(self._folder / CROSS_PREDICTIONS, index=False)
        return cross.figures(validation, table, cross.prefix)

    def _export(self) -> None:
        save_scorer(
            self._folder / MODEL,
            ModelConfig(
                variant=self._job.variant,
                parameters={**self._job.model, **({"of": self._job.control_of} if self._job.control_of else {})},
                targets=self._context.targets,
                score_mean=tuple(self._training.scale.mean.tolist()),
                score_std=tuple(self._training.scale.std.tolist()),
                encoders=dict(self._context.encoders),
                encoder_identities=dict(self._context.features.identity),
                shapes={name: self._context.features.shapes[name] for name in self._context.reads},
                backbone=self._job.backbone if self._context.finetune else None,
                mos_quantiles=quantiles_of(
                    self._context.scores[self._context.splits[self._job.split].train], self._context.targets
                ),
            ),
            self._training.model,
            self._context.feature_distributions(self._job.split),
        )


def build_model(job: Job, context: SweepContext) -> ScoringModel | FinetunedModel:
    """Return the job's variant, initialised from its seed, with the pretrained backbone if that is fine-tuned."""
    of = {"of": job.control_of} if job.control_of else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        model = build_variant(job.variant, context.features.shapes, len(context.targets), **{**job.model, **of})
        if not context.finetune:
            return model
        encoder = encoders.build_encoder(context.encoders["image"])
        return finetuned(encoder, model, Finetuning(**job.backbone))


def prediction_table(context: SweepContext, part: str, rows: Any, predicted: Any) -> pd.DataFrame:
    """Return names, prompts, generators, true scores and predictions (n, T) of rows, in MOS units, as a table."""
    columns: dict[str, Any] = {
        "part": part,
        "name": [context.names[row] for row in rows],
        "prompt_id": context.prompt_ids[rows],
        "prompt": [context.prompts[row] for row in rows],
        **({} if context.criteria is None else {"criteria": [context.criteria[row] for row in rows]}),
        "generator": [context.generators[row] for row in rows],
    }
    for column, target in enumerate(context.targets):
        columns[target] = context.scores[rows, column]
        columns[f"predicted_{target}"] = predicted[:, column]
    return pd.DataFrame(columns)
