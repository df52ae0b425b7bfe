"""Process of the benchmark `step`, which trains with the code of the checkout that PYTHONPATH names and prints JSON.

It uses only names that checkouts of every age have.
"""

import json
import sys
import time
from statistics import median

import torch

from models import build_variant
from orchestrator.training import FitSettings, TrainingData, fit

_EPOCHS = 7
_FEW_ROWS = 8
"""Validation rows when steps are timed, so that an epoch consists of steps."""


def make_data(case, split, validation=None):
    train, rows, test = case["splits"][split]
    return TrainingData(
        case["features"],
        case["scores"],
        case["targets"],
        case["prompt_ids"],
        train,
        rows[:validation],
        test,
        case["stds"],
    )


def train(case, data, seed, epochs):
    torch.manual_seed(seed)
    shapes = {name: tuple(rows.shape[1:]) for name, rows in case["features"].items()}
    model = build_variant(case["variant"], shapes, len(case["targets"]), **case["model"])
    return fit(model, data, FitSettings(epochs=epochs, seed=seed, **case["training"]))


def time_steps(case):
    """Return the median milliseconds of processor time that a step takes; the first epoch does not count."""
    data = make_data(case, 0, _FEW_ROWS)
    steps = -(-len(data.train) // case["training"]["batch_size"])
    times = []
    began = time.process_time()
    for _ in train(case, data, 0, _EPOCHS):
        times.append(1000 * (time.process_time() - began) / steps)
        began = time.process_time()
    return median(times[1:])


def validate(case):
    """Return the best epoch's validation SRCC for each split."""
    best = []
    for split in range(len(case["splits"])):
        results = train(case, make_data(case, split), split, FitSettings().epochs)
        best.append(max(result.objective for result in results))
    return best


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = torch.load(sys.argv[2], weights_only=False)
    print(json.dumps({"steps": time_steps, "validation": validate}[sys.argv[1]](chosen)))
