"""Beats the predictors that see no pixel."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import Pair, paired_difference
from orchestrator.training.bootstrap import Interval

NO_PIXEL = {
    "generator_mean": "the generator's mean",
    "prompt_mean": "the prompt's mean",
    "generator_prompt_mean": "generator and prompt means",
}
"""Baselines that see no pixel. One that could say nothing about the test images has no table and is not met."""


class BeatsNoPixel(Gate):
    """A model that looks at images has to know more than who made them, or from which prompt."""

    name = "beats the no-pixel baselines"
    comparative = True

    def judge(self, case: GateInputs) -> GateResult:
        """The configuration against each of them, split beside split; every lower end has to be above zero."""
        if not case.candidate.evidence.baselines():
            return self.says(False, f"the sweep {case.candidate.evidence.name} has no run of the baselines")
        planned = {run.data.tags["split"] for run in case.candidate.runs}
        there = {run.data.tags["split"] for run in case.candidate.evidence.baselines()}
        if missing := planned - there:
            return self.says(
                False,
                f"{len(missing)} of the {len(planned)} splits have no complete run of the baselines: a median over the "
                "others flatters",
                splits=len(planned) - len(missing),
            )
        try:
            compared = {name: found for name in NO_PIXEL if (found := _against(case, name)) is not None}
        except _Gone as gone:
            return self.says(False, str(gone))
        # A baseline whose scores do not differ has no correlation: there is nothing to beat.
        met = {name: found for name, found in compared.items() if not found.reason}
        figures = {name: interval_figures(found) for name, found in met.items()}
        if not met:
            return self.says(True, "none of them can rank these test images", **figures)
        worst = min(met, key=lambda name: met[name].low)
        found = met[worst]
        passed = found.low > 0
        short = "" if passed else f": the lower end is {-found.low:.4f} short of zero"
        told = f"{difference(found, case.rules.metric)} to {NO_PIXEL[worst]}, {bounds(found)}{short}"
        return self.says(passed, told, **figures)


class _Gone(Exception):
    """A baseline that had something to say has no table any more, so nobody can compare with it."""


def _against(case: GateInputs, name: str) -> Interval | None:
    candidate = case.candidate
    by_split = {run.data.tags["split"]: run for run in candidate.evidence.baselines()}
    pairs: list[Pair] = []
    for run in candidate.runs:
        beside = by_split.get(run.data.tags["split"])
        table = candidate.evidence.table(beside, f"{name}.csv", "baselines") if beside else None
        if table is None and beside and any(key.startswith(f"{name}_test_") for key in beside.data.metrics):
            raise _Gone(f"the predictions of {NO_PIXEL[name]} of {beside.info.run_name} are gone")
        if table is not None:
            pairs.append((candidate.table_of(run), table))
    if not pairs:
        return None
    return paired_difference(pairs, candidate.targets, case.rules.metric, case.rules.confidence)
