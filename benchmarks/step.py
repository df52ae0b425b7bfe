"""Milliseconds of a training step, one thread, default configurations; next to another checkout with `--against`.

With `--against FOLDER` both checkouts train in turn, in processes of their own, and the best validation SRCC over 10
train/validation splits is compared in pairs. `--data-root FOLDER` takes AGIQA-3K in place of `shapes`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, median, stdev

import torch

from models import variant_info
from orchestrator.data import FeatureStore, load_dataset, make_split
from orchestrator.execution.prepare import choose_encoders
from orchestrator.search.space import load_space

OWN = Path(__file__).parent.parent
VARIANTS = {"text_hyper": "alignment", "image_hyper": "quality"}
ROUNDS, SPLITS = 3, 10
T_95 = 2.262
"""Quantile of Student's t for a two-sided 95 % interval of 10 differences."""


def main(against: str | None = None, data_root: str | None = None) -> None:
    dataset = load_dataset("agiqa3k", Path(data_root)) if data_root else load_dataset("shapes")
    checkouts = {"this": OWN, **({"other": Path(against)} if against else {})}
    with tempfile.TemporaryDirectory() as folder:
        for variant, target in VARIANTS.items():
            case = Path(folder) / f"{variant}.pt"
            torch.save(make_case(dataset, variant, target), case)
            measure(f"{variant} on {dataset.name}", case, checkouts)


def make_case(dataset, variant: str, target: str) -> dict:
    """Return the variant's default configuration with its features, scores and splits."""
    features = FeatureStore().get(dataset, choose_encoders(()), variant_info(variant).reads).tensors()
    space = load_space(variant)
    chosen = space.configuration(space.default_params())
    splits = [make_split(dataset, "disjoint", index) for index in range(SPLITS)]
    stds = dataset.stds((target,))
    return {
        "variant": variant,
        "features": {name: rows.clone() for name, rows in features.items()},
        "scores": torch.tensor(dataset.scores((target,))).float(),
        "stds": None if stds is None else torch.tensor(stds).float(),
        "targets": (target,),
        "prompt_ids": torch.tensor(dataset.prompt_ids),
        "splits": [[torch.tensor(rows) for rows in (split.train, split.validation, split.test)] for split in splits],
        "model": chosen.model,
        "training": chosen.training,
    }


def measure(name: str, case: Path, checkouts: dict[str, Path]) -> None:
    times = {label: [] for label in checkouts}
    for _ in range(ROUNDS):
        for label, folder in checkouts.items():
            times[label].append(run("steps", case, folder))
    print(f"{name}: {median(times['this']):.1f} ms a step of processor time", flush=True)
    if "other" not in checkouts:
        return
    ratios = [other / own for own, other in zip(times["this"], times["other"], strict=True)]
    print(f"  {min(ratios):.2f} to {max(ratios):.2f} times as fast as {checkouts['other']}", flush=True)
    own, other = (run("validation", case, folder) for folder in checkouts.values())
    differences = [one - two for one, two in zip(own, other, strict=True)]
    half = T_95 * stdev(differences) / len(differences) ** 0.5
    print(
        f"  validation SRCC {fmean(own):.4f} and {fmean(other):.4f}; paired difference over {len(own)} splits "
        f"{fmean(differences):+.4f} ({fmean(differences) - half:+.4f} to {fmean(differences) + half:+.4f})",
        flush=True,
    )


def run(what: str, case: Path, folder: Path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("step_worker.py")), what, str(case)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder.absolute())},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)
