"""What a search finds and what TPE takes, against how much of the history it looks at (decision 12).

A made objective over the shipped space of text_hyper, known exactly: a valley that is not along the axes, and a depth,
a loss and a batch size that matter. Trials end at once; the curve of every configuration is its value.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
import optuna

from orchestrator.search.remembering import RememberingStorage
from orchestrator.search.samplers import tpe
from orchestrator.search.space import load_space

_ALL = 10**9
_HISTORIES = (250, 500, 1000, _ALL)
_MARKS = (100, 500, 1000, 1500)


def objective(params: dict[str, Any]) -> float:
    """0 at best."""
    lr = (math.log10(params["lr"]) + 2.9) / 0.7
    decay = (math.log10(params["weight_decay"]) - 0.8) / 1.3
    valley = (lr + decay) ** 2 + 0.1 * (lr - decay) ** 2
    inner = [(params["dropout"] - 0.35) / 0.3, (params["input_dropout"] - 0.5) / 0.4]
    inner += [math.log2(params["rank"] / 3) / 2, math.log2(params["condition_width"] / 24) / 2]
    widths = [value for name, value in params.items() if name.startswith("widths_") and isinstance(value, int)]
    depth = {1: 0.3, 2: 0.0, 3: 0.1}.get(len(widths), 0.2)
    width = sum(((value - 120) / 120) ** 2 for value in widths) / max(len(widths), 1)
    named = 0.2 * (params["loss"] != "mse+0.3*rank") + 0.1 * (params["batch_size"] != 64) + 0.1 * (params["ema"] == 0)
    return -(valley + 0.5 * sum(value**2 for value in inner) + depth + 0.3 * width + named)


def search(history: int, seed: int, trials: int) -> tuple[list[float], list[float]]:
    """The best value so far and the milliseconds of processor time of each ask."""
    space = load_space("text_hyper")
    storage = RememberingStorage(optuna.storages.InMemoryStorage())
    study = optuna.create_study(storage=storage, direction="maximize", sampler=tpe(seed, history))
    best, asked = [-math.inf], []
    for _ in range(trials):
        began = time.thread_time()
        trial = study.ask()
        space.suggest(trial)
        asked.append(1000 * (time.thread_time() - began))
        value = objective(trial.params)
        study.tell(trial, value)
        best.append(max(best[-1], value))
    return best[1:], asked


def main(seeds: int = 3, marks: tuple[int, ...] = _MARKS) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for history in _HISTORIES:
        runs = [search(history, seed, marks[-1]) for seed in range(seeds)]
        name = "all" if history == _ALL else str(history)
        for mark in marks:
            best = [run[0][mark - 1] for run in runs]
            asked = np.mean([np.mean(run[1][max(0, mark - 50) : mark]) for run in runs])
            values = " ".join(f"{value:.3f}" for value in best)
            print(f"history {name}, trial {mark}: best {np.mean(best):.3f} ({values}), ask {asked:.1f} ms", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
