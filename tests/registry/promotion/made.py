"""Generated sweep results for the gates, without training and without MLflow."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.gate_inputs import GateInputs, GateThresholds
from orchestrator.registry.promotion.rescore import ScoreCheck

PROMPTS, COPIES = 60, 4


def predictions(noise, seed=0, scale=1.0):
    """Return validation and test rows with predictions of `scale` times the truth plus noise."""
    truth = np.random.default_rng(7).uniform(1, 5, 2 * PROMPTS * COPIES)
    errors = np.random.default_rng(seed).normal(0, 1, len(truth))
    half = PROMPTS * COPIES
    return pd.DataFrame(
        {
            "part": ["validation"] * half + ["test"] * half,
            "name": [f"{row:04d}.png" for row in range(2 * half)],
            "prompt_id": np.arange(2 * half) // COPIES,
            "generator": np.where(np.arange(2 * half) % 2, "a", "b"),
            "alignment": truth,
            "predicted_alignment": scale * truth + noise * errors,
        }
    )


def run(key, split, source=None, **metrics):
    tags = {"run_key": key, "split": str(split), "split_hash": f"{split}" * 64, "sweep_id": "made"}
    if source:
        tags["source"] = source
    return SimpleNamespace(
        info=SimpleNamespace(run_id=key, run_name=key, experiment_id="1"),
        data=SimpleNamespace(tags=tags, metrics=metrics),
    )


def _refuse(*_arguments):
    raise OSError("there is no MLflow")


class MadeSweepResults:
    """Two splits of one configuration, with control and baselines on the splits `control_splits`."""

    name, data_hash, targets = "made", "d" * 64, ("alignment",)
    client = SimpleNamespace(download_artifacts=_refuse)

    def __init__(
        self,
        own,
        control=None,
        baselines=None,
        protocol="disjoint",
        variant="text_hyper",
        splits=2,
        control_splits=(1, 2),
        own_splits=(1, 2),
        control_validation=0.4,
        **test,
    ):
        metrics = {"best_val_srcc": 0.5, "test_srcc": 0.5, **test}
        self.spec = SimpleNamespace(protocol=protocol, splits=splits, variant=variant, dataset="csv:made.csv")
        self._own = {f"confirm-{split}": own for split in (1, 2)}
        self._control = {} if control is None else {f"control-{split}": control for split in control_splits}
        self._baselines, self._control_splits = baselines, control_splits
        self._runs = [
            run(key, split, "trial-0001", **metrics) for split, key in zip(own_splits, self._own, strict=True)
        ]
        self._control_runs = [
            run(key, split, "control-0001", best_val_srcc=control_validation)
            for split, key in zip(control_splits, self._control, strict=False)
        ]

    def configurations(self, title="trial"):
        runs = self._runs if title == "trial" else self._control_runs
        return {f"{title}-0001": runs} if runs else {}

    def split_hash(self, run):
        return run.data.tags["split_hash"]

    def baselines(self):
        if self._baselines is None:
            return []
        logged = {f"{name}_test_srcc": 0.1 for name in self._baselines}
        return [run(f"baselines-{split}", split, **logged) for split in self._control_splits]

    def predictions(self, run):
        return {**self._own, **self._control}.get(run.info.run_id)

    def table(self, run, file, folder):
        return (self._baselines or {}).get(file.removesuffix(".csv"))


def gate_inputs(own=None, champion=None, thresholds=None, score_check=None, **results):
    made = MadeSweepResults(predictions(0.5) if own is None else own, **results)
    runs = tuple(made.configurations()["trial-0001"])
    candidate = Candidate(made, "trial-0001", runs, runs[0], 0.5)
    return GateInputs(candidate, champion, score_check or ScoreCheck("not tried"), thresholds or GateThresholds())
