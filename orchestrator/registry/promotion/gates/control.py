"""Beats the control."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from models import CONTROL
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import Pair, paired_difference

if TYPE_CHECKING:
    from mlflow.entities import Run


class BeatsControl(Gate):
    """Without it, the hypernetwork has not earned its place: the same net, searched as long, does without one."""

    name = "beats plain_head"
    comparative = True

    def judge(self, case: GateInputs) -> GateResult:
        """The configuration against the control's best by validation, split beside split; the lower end above zero."""
        candidate, rules = case.candidate, case.rules
        if candidate.evidence.spec.variant == CONTROL:
            return self.says(True, "it is plain_head itself")
        control = _best(candidate.evidence.configurations(KEY_PREFIX["control"]), rules.metric)
        pairs: list[Pair] = []
        for run in candidate.runs:
            beside = next((other for other in control if other.data.tags["split"] == run.data.tags["split"]), None)
            table = candidate.evidence.predictions(beside) if beside is not None else None
            if table is not None:
                pairs.append((candidate.table_of(run), table))
        if not pairs:
            return self.says(False, f"the sweep {candidate.evidence.name} confirmed no control to compare with")
        if len(pairs) < len(candidate.runs):
            return self.says(
                False,
                f"only {len(pairs)} of the {len(candidate.runs)} confirm runs have a control beside them, with its "
                "predictions: a median over some of the splits flatters",
                splits=len(pairs),
            )
        found = paired_difference(pairs, candidate.targets, rules.metric, rules.confidence)
        figures = interval_figures(found, splits=len(pairs))
        if found.reason:
            return self.says(False, f"no comparison: {found.reason}", **figures)
        passed = found.low > 0
        short = "" if passed else f": the lower end is {-found.low:.4f} short of zero"
        return self.says(passed, f"{difference(found, rules.metric)}, {bounds(found)}{short}", **figures)


def _best(configurations: dict[str, list[Run]], metric: str) -> list[Run]:
    """The runs of the configuration with the best validation median."""

    def score(runs: list[Run]) -> float:
        return median(run.data.metrics.get(f"best_val_{metric}", -1.0) for run in runs)

    return max(configurations.values(), key=score, default=[])
