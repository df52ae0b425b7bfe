"""The training itself: once more, here, from the same data, split, seed and number of threads."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.machine_tags import device_name, training_device
from orchestrator.execution.prepare import PreparedSweep, extract_cross_test, extract_features, prepare
from orchestrator.reporting.live_view import FeatureProgress
from orchestrator.search.space import load_space
from orchestrator.sweeps.rerun.compare_curves import CurveComparison
from orchestrator.sweeps.rerun.original_run import FINAL, Curve, OriginalRun
from orchestrator.tracking.provenance import provenance

if TYPE_CHECKING:
    from orchestrator.core.spec import SweepSpec
    from orchestrator.data import FeatureSet, Split
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval

_BY_NAME = ("git.commit", "git.dirty", "python", "device")
"""Tags of a run's provenance that can change its numbers, in addition to the packages' versions."""


def retrain(origin: OriginalRun, threads: int | None, console: Console) -> CurveComparison:
    """Train a run again for as many epochs as before, in a temporary folder.

    Args:
        origin: the original run.
        threads: of the training; None for as many as its sweep's trials had.
        console: for progress.

    Raises:
        InputError: the data, the split or the encoders' weights are missing.
    """
    from orchestrator.data import load_split

    progress = FeatureProgress(console)
    try:
        prepared = prepare(origin.spec, progress, load_space(origin.workspace.space, begun=True), begun=True)
        features = extract_features(prepared, progress)
        job = origin.job_of(prepared)
        cross = extract_cross_test(prepared, progress) if job.test else None
    finally:
        progress.close()
    saved = origin.workspace.split(job.split)
    split = load_split(saved, prepared.dataset) if saved.is_file() else prepared.splits[job.split]
    with TemporaryDirectory(prefix="rerun-") as folder:
        epochs = max(origin.curve)
        now = _train(job, prepared, features, cross, split, threads, Path(folder), epochs, FINAL in origin.curve)
    return CurveComparison(origin.name, origin.curve, now, tuple(_changes(origin, prepared, job)))


def _train(
    job: Job,
    prepared: PreparedSweep,
    features: FeatureSet,
    cross: CrossDatasetEval | None,
    split: Split,
    threads: int | None,
    folder: Path,
    epochs: int,
    to_the_end: bool,
) -> Curve:
    from orchestrator.execution.sweep_context import make_context
    from orchestrator.execution.training_job import TrainingJob

    spec = prepared.spec
    task = make_context(
        prepared.dataset,
        features,
        prepared.reads,
        prepared.encoders,
        prepared.targets,
        {job.split: split},
        folder,
        threads=threads or spec.threads,
        device=_device(spec),
        finetune=prepared.finetune,
        cross=cross,
    )
    # Its test rows were read when it ended; one that did not end then has none to read now.
    warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # it is a memory map, only read
    steps = TrainingJob(job if to_the_end else replace(job, test=False), task)
    curve: Curve = {}
    while len(curve) < epochs:
        message = steps.step()
        for told in message["epochs"]:
            epoch = EpochReport(**told)
            curve[epoch.number] = {**epoch.metrics, "val_srcc": epoch.objective}
        if "outcome" in message or not message["epochs"] or message["epochs"][-1]["diverged"]:
            break
    if to_the_end and "final" in message:
        curve[FINAL] = message["final"]
    return curve


def _device(spec: SweepSpec) -> str:
    """Return the device of its sweep's trials; if they took any device, the one that this machine has."""
    if spec.gpus_per_trial == "auto":
        import torch

        return training_device(torch.cuda.is_available())
    return training_device(spec.gpus_per_trial)


def _changes(origin: OriginalRun, prepared: PreparedSweep, job: Job) -> list[str]:
    """List the differences to the original in code version, data, split, space, commit, packages and device."""
    changes = []
    if origin.workspace.identity.is_file():
        before = json.loads(origin.workspace.identity.read_text(encoding="utf-8"))
        now = json.loads(json.dumps(prepared.identity()))
        before["splits"], now["splits"] = before["splits"].get(str(job.split)), now["splits"].get(str(job.split))
        titles = {"code": "code version", "data": "data", "splits": "split", "space": "search space"}
        changes += [f"the {title} is another" for key, title in titles.items() if before.get(key) != now[key]]
    device = device_name(_device(prepared.spec))
    here = {**provenance(), "device": device}
    for name, value in here.items():
        then = origin.about.get(name)
        if then is not None and then != value and (name in _BY_NAME or name.startswith("version.")):
            changes.append(f"{name.removeprefix('version.')} was {then}, now {value}")
    return changes
