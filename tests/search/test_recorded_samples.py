"""Configurations that the shipped spaces sample with a given seed, recorded once and never to change."""

import hashlib
import json
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage

from models import list_variants
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import SearchSpace, load_space

RECORDED = json.loads((Path(__file__).parent / "recorded_samples.json").read_text(encoding="utf-8"))
TRIALS = 12
SAMPLERS = ("tpe", "random", "cmaes")


def sampled(space: SearchSpace, sampler: str) -> str:
    """Return a digest of the configurations of a search whose objective is a formula."""
    ledger = Ledger(InMemoryStorage(), "search", space, build_sampler(sampler, 0))
    ledger.enqueue(space.default_params())
    rows = []
    for number in range(TRIALS):
        trial = ledger.ask()
        ledger.report(number, 1, 1 / (1 + 1000 * trial.params["lr"]) + trial.params.get("dropout", 0) / 10)
        ledger.finish(number, Outcome.COMPLETE)
        rows.append({name: _rounded(value) for name, value in sorted(trial.params.items())})
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _rounded(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("variant", list_variants())
def test_a_shipped_space_samples_the_recorded_configurations(variant, sampler):
    space = load_space(variant)
    assert sampled(space, sampler) == RECORDED[variant][sampler]
