"""A small search space, and trials of a ledger with given objectives."""

from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace

SPACE = SearchSpace.model_validate(
    {
        "model": {"widths": {"type": "widths", "min_depth": 1, "max_depth": 3, "low": 8, "high": 64, "default": [16]}},
        "hypernet": {"rank": {"type": "int", "low": 1, "high": 4, "default": 2}},
        "training": {
            "lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3},
            "loss": {"type": "categorical", "choices": ["huber", "mse"], "default": "huber"},
            "margin": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "when": {"loss": ["huber"]}},
        },
    }
)


def train(ledger: Ledger, *objectives: float, outcome: Outcome = Outcome.COMPLETE, number: int | None = None) -> int:
    """Report the objectives of a trial's epochs, finish it and return its number; ask for a trial if none is given."""
    number = ledger.ask().number if number is None else number
    for epoch, value in enumerate(objectives, 1):
        ledger.report(number, epoch, value)
    ledger.finish(number, outcome)
    return number
