"""Better than the champion."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import Case
from orchestrator.registry.promotion.gates.format import bounds, difference, interval_figures
from orchestrator.registry.promotion.gates.gate import Gate, Verdict
from orchestrator.registry.promotion.paired_bootstrap import paired_difference, shared_targets


class BetterThanChampion(Gate):
    """The two models themselves, on the same test images, by a paired bootstrap over prompts."""

    name = "better than the champion"
    comparative = True

    def judge(self, case: Case) -> Verdict:
        """The interval's lower end has to be above the least gain."""
        incumbent, rules = case.incumbent, case.rules
        if incumbent is None:
            return self.says(True, "there is no champion to beat yet")
        version = f"version {incumbent.version.version}"
        if str(incumbent.version.run_id) == case.candidate.run.info.run_id:
            return self.says(False, f"{version} is this very model", champion=int(incumbent.version.version))
        if incumbent.table is None:
            return self.says(False, f"it cannot be compared with {version}")
        targets = shared_targets(case.candidate.table, incumbent.table)
        if set(targets) != set(case.candidate.targets):
            return self.says(False, f"{version} does not give the same scores")
        try:
            found = paired_difference(
                [(case.candidate.table, incumbent.table)], targets, rules.metric, rules.confidence
            )
        except ValueError as error:
            return self.says(False, f"it cannot be compared with {version}: {error}")
        figures = interval_figures(found, champion=int(incumbent.version.version), min_gain=rules.min_gain)
        if found.reason:
            return self.says(False, f"{version}: {found.reason}", **figures)
        passed = found.low > rules.min_gain
        least = f"{rules.min_gain:+g}" if rules.min_gain else "zero"
        short = "" if passed else f": the lower end is {rules.min_gain - found.low:.4f} short of {least}"
        return self.says(passed, f"{difference(found, rules.metric)} to {version}, {bounds(found)}{short}", **figures)
