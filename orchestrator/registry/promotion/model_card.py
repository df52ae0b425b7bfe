"""Model card: the description of a registered version, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from orchestrator.data.splits import is_optimistic
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.gates import GateResult
from orchestrator.registry.promotion.licences import licence_of
from orchestrator.registry.promotion.sweep_results import rows_of_test
from orchestrator.reporting.aggregate import Figures, table_figures
from orchestrator.reporting.claims import Claim

_METRICS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "krcc": "KRCC",
    "plcc_fitted": "PLCC after a logistic fit on validation",
    "rmse": "RMSE",
    "srcc_within_generator": "SRCC within generators",
    "srcc_within_prompt": "SRCC within prompts",
}


def model_card(
    candidate: Candidate,
    results: Sequence[GateResult],
    claims: Sequence[Claim],
    encoders: dict[str, str],
    outcome: str,
    better_control: str = "",
) -> str:
    """Return the model card.

    Args:
        candidate: run that trained the model.
        results: results of the gates.
        claims: claims with what their intervals say.
        encoders: kind → name of each encoder of the model.
        outcome: result of the promotion, in a sentence.
        better_control: sentence about a control that is better by validation; empty if it is not.
    """
    spec, tags = candidate.results.spec, candidate.facts
    test = rows_of_test(candidate.table)
    sweep_tags = candidate.results.sweep.data.tags
    figures = table_figures([candidate.table], candidate.targets)
    of = f", the control of {spec.variant}" if candidate.variant != spec.variant else ""
    lines = [
        # MLflow's list of versions shows the beginning of this, as plain text.
        f"Test SRCC {figures.metrics['srcc']:.4f} on {spec.dataset}. {outcome}",
        "",
        f"The model is of **{candidate.variant}**{of}, run `{candidate.name}` ({candidate.run.info.run_name}).",
        "",
        "### Gates",
        *(f"- {_word(result)} **{result.gate}**: {_line(result.sentence)}" for result in results),
        "",
        "### Claims",
        *(f"- {claim.status}: **{claim.name}**: {_line(claim.sentence)}" for claim in claims),
        *(["", better_control] if better_control else []),
        "",
        "### Data and protocol",
        f"`{spec.dataset}`, {' and '.join(candidate.targets)}; data `{candidate.results.data_hash[:12]}`, split "
        f"`{tags['split_hash'][:12]}`. Protocol `{spec.protocol}`: {_evaluated_on(spec.protocol, test)} "
        f"{_chosen(candidate)}",
        "",
        "### On test",
        *_metrics(figures, candidate.targets),
        "",
        "### Encoders",
        *(f"- {kind.replace('_', ' ')}: `{name}`, {licence_of(name)}" for kind, name in encoders.items()),
        "",
        "### Made with",
        f"{tags.get('device', 'unknown device')}, {tags.get('cpus', '?')} processors; hyperassess "
        f"{tags.get('version.hyperassess', '?')}, torch {tags.get('version.torch', '?')}, commit "
        f"`{tags.get('git.commit', 'unknown')[:12]}`{_dirty(tags)}; sweep `{candidate.results.name}` of "
        f"{sweep_tags.get('budget', spec.trials)} trials × {spec.epochs} epochs.",
        "",
        "### Limits",
        f"Scores are opinions of the people who rated `{spec.dataset}`, of its generators and its kind of prompts; "
        "images of other generators, styles or languages may be ranked worse than the interval shows. The interval is "
        "over prompts of one test set, on which earlier champions were evaluated too. Scores order images; a "
        "difference smaller than the RMSE means little. The model evaluates neither safety nor truth.",
    ]
    return "\n".join(lines)


def _evaluated_on(protocol: str, test: pd.DataFrame) -> str:
    images = f"the {len(test)} test images of {test['prompt_id'].nunique()} prompts"
    if is_optimistic(protocol):
        return f"epochs and configurations are chosen on {images}, so the figures are optimistic."
    return f"epochs and configurations are chosen on validation; {images} were evaluated once."


def _chosen(candidate: Candidate) -> str:
    if candidate.named:
        return "Given by `--run`."
    title = KEY_PREFIX["control" if candidate.source.startswith(KEY_PREFIX["control"]) else "search"]
    configurations, runs = len(candidate.results.configurations(title)), len(candidate.runs)
    best = (
        "The only confirmed configuration"
        if configurations == 1
        else (f"Of {configurations} confirmed configurations the best by validation")
    )
    run = "its only run." if runs == 1 else f"of its {runs} runs the one with the median validation score."
    return f"{best}, {run}{f' {candidate.compared}' if candidate.compared else ''}"


def _metrics(figures: Figures, targets: tuple[str, ...]) -> list[str]:
    """Return a line per metric, since MLflow shows tables without space between their columns."""
    each: dict[str, Figures] = figures.targets or {targets[0]: figures}
    lines = []
    for metric, title in _METRICS.items():
        values = [
            f"{f'{target} ' if len(each) > 1 else ''}{_number(figures, metric)}" for target, figures in each.items()
        ]
        lines.append(f"- {title}: {', '.join(values)}")
    return lines


def _number(figures: Figures, metric: str) -> str:
    value = figures.metrics[metric]
    if value != value:
        return "–"
    interval = figures.intervals.get(metric)
    if interval is None or interval.low != interval.low:
        return f"{value:.4f}"
    return f"{value:.4f} [{interval.low:.3f}, {interval.high:.3f}]"


def _word(result: GateResult) -> str:
    return "✓" if result.passed else "✗ failed:"


def _line(text: str) -> str:
    return " ".join(text.split())


def _dirty(tags: dict[str, str]) -> str:
    return " with changes that were not committed" if tags.get("git.dirty") == "true" else ""
