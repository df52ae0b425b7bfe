"""Better than the champion."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, GateResult
from orchestrator.registry.promotion.paired_bootstrap import paired_difference, shared_targets


class BetterThanChampion(Gate):
    """The two models themselves, on the same test images, by a paired bootstrap over prompts."""

    name = "better than the champion"
    comparative = True

    def judge(self, case: GateInputs) -> GateResult:
        """The interval's lower end has to be above the least gain."""
        champion, rules = case.champion, case.rules
        if champion is None:
            return self.says(True, "there is no champion to beat yet")
        version = f"version {champion.version.version}"
        if str(champion.version.run_id) == case.candidate.run.info.run_id:
            return self.says(False, f"{version} is this very model", champion=int(champion.version.version))
        if champion.table is None:
            return self.says(False, f"it cannot be compared with {version}")
        targets = shared_targets(case.candidate.table, champion.table)
        if set(targets) != set(case.candidate.targets):
            return self.says(False, f"{version} does not give the same scores")
        try:
            found = paired_difference([(case.candidate.table, champion.table)], targets, rules.metric, rules.confidence)
        except ValueError as error:
            return self.says(False, f"it cannot be compared with {version}: {error}")
        figures = interval_figures(found, champion=int(champion.version.version), min_gain=rules.min_gain)
        if found.reason:
            return self.says(False, f"{version}: {found.reason}", **figures)
        passed = found.low > rules.min_gain
        least = f"{rules.min_gain:+g}" if rules.min_gain else "zero"
        short = "" if passed else f": the lower end is {rules.min_gain - found.low:.4f} short of {least}"
        return self.says(passed, f"{difference(found, rules.metric)} to {version}, {bounds(found)}{short}", **figures)
