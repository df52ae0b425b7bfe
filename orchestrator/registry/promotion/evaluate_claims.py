"""Evaluation of the claims about a candidate: recorded and shown, and gates only if `--require-claims` is given."""

from __future__ import annotations

from orchestrator.registry.promotion.gate_inputs import GateInputs
from orchestrator.registry.promotion.gates import GateResult
from orchestrator.registry.promotion.gates.format_intervals import bounds, difference, interval_figures
from orchestrator.reporting.claims import Claim, Status, names_of_claims, status_of


def evaluate_claims(inputs: GateInputs) -> tuple[Claim, ...]:
    """Return the claims about a candidate; there is none about a baseline that cannot rank the test images."""
    claims = []
    for opponent, found in inputs.differences.items():
        names = names_of_claims(opponent, inputs.thresholds.margin)
        interval = found.interval
        if found.problem or (opponent == "control" and interval is not None and interval.reason):
            problem = found.problem or f"no comparison: {interval.reason if interval else ''}"
            claims += [Claim(name, Status.NOT_SHOWN, problem) for name in names]
        elif interval is not None and not interval.reason:
            sentence = f"{difference(interval, inputs.thresholds.metric)}, {bounds(interval)}"
            claims += [
                Claim(
                    name,
                    status_of(interval.low, interval.high, threshold),
                    sentence,
                    interval_figures(interval, threshold=threshold, splits=found.splits),
                )
                for name, threshold in names.items()
            ]
    return tuple(claims)


def as_gate(claim: Claim) -> GateResult:
    """Return a claim as the result of a gate that passes if it is shown."""
    sentence = f"{claim.status}: {claim.sentence}"
    return GateResult(claim.name, claim.status is Status.SHOWN, sentence, claim.figures)
