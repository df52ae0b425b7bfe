"""Search result and time of TPE against the size of its history window (decision 12).

The objective is Hartmann's six-dimensional function with a category and a number that depends on it; trials end at
once. The time of an ask is measured on the shipped space of text_hyper.
"""

from __future__ import annotations

import math
import time
from random import Random
from typing import Any

import numpy as np
import optuna

from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.samplers import TPE_HISTORY, random, tpe
from orchestrator.search.space import SearchSpace, load_space

_ALL = 10**9
_HISTORIES = (250, 500, _ALL)
_MARKS = (250, 500, 1000, 1500)


SPACE = SearchSpace.model_validate(
    {
        "model": {
            **{f"x{i}": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5} for i in range(6)},
            "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a"},
            "bend": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "when": {"kind": ["b", "c"]}},
        }
    }
)
_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def objective(params: dict[str, Any]) -> float:
    """Return Hartmann's function of six numbers, 3.322 at best, minus a penalty for the wrong kind or bend."""
    x = np.array([params[f"x{i}"] for i in range(6)])
    value = float(_ALPHA @ np.exp(-(_A * (x - _P) ** 2).sum(axis=1)))
    return value - {"a": 0.5, "b": 0.3, "c": 0.0}[params["kind"]] - 2 * (params.get("bend", 0.7) - 0.7) ** 2


def search(history: int, seed: int, trials: int) -> tuple[list[float], list[float]]:
    """Return the best value so far and the milliseconds of processor time of each ask."""
    storage = CachedStorage(optuna.storages.InMemoryStorage())
    study = optuna.create_study(storage=storage, direction="maximize", sampler=tpe(seed, history))
    best, asked = [-math.inf], []
    for _ in range(trials):
        began = time.thread_time()
        trial = study.ask()
        SPACE.suggest(trial)
        asked.append(1000 * (time.thread_time() - began))
        value = objective(trial.params)
        study.tell(trial, value)
        best.append(max(best[-1], value))
    return best[1:], asked


def asking(history: int, known: int, running: int, asks: int = 10) -> float:
    """Return milliseconds of processor time of an ask, given the numbers of ended and running trials."""
    space, draw = load_space("text_hyper"), Random(0)
    study = optuna.create_study(
        storage=CachedStorage(optuna.storages.InMemoryStorage()), direction="maximize", sampler=random(0)
    )
    for number in range(known + running):
        trial = study.ask()
        space.suggest(trial)
        if number < known:
            study.tell(trial, draw.random())
    study.sampler = tpe(0, history)
    space.suggest(study.ask())  # the first looks through all that there is
    began = time.thread_time()
    for _ in range(asks):
        space.suggest(study.ask())
    return 1000 * (time.thread_time() - began) / asks


def compare(histories: tuple[int, ...], seeds: int, marks: tuple[int, ...] = _MARKS) -> None:
    """Print the best values of searches that differ in their history only."""
    for history in histories:
        runs = [search(history, seed, marks[-1]) for seed in range(seeds)]
        for mark in marks:
            best = [run[0][mark - 1] for run in runs]
            asked = np.mean([np.mean(run[1][max(0, mark - 50) : mark]) for run in runs])
            values = " ".join(f"{value:.3f}" for value in best)
            print(f"{_spelled(history)}, trial {mark}: {np.mean(best):.3f} ({values}), ask {asked:.1f} ms", flush=True)


def time_asks(histories: tuple[int, ...], sizes: tuple[int, ...] = (100, 1000, 10_000)) -> None:
    """Print the time of an ask."""
    for known in sizes:
        for running in (0, 500):
            for history in histories:
                took = asking(history, known, running)
                print(f"{_spelled(history)}, {known} ended, {running} running: ask {took:.1f} ms", flush=True)


def _spelled(history: int) -> str:
    return "all" if history == _ALL else f"newest {history}"


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    time_asks((TPE_HISTORY, _ALL))
    compare(_HISTORIES, seeds=4)


if __name__ == "__main__":
    main()
