"""The model card: what a version's description in the registry says, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from orchestrator.data.splits import is_optimistic
from orchestrator.registry.promotion.candidate import Candidate
from orchestrator.registry.promotion.gates import GateResult
from orchestrator.registry.promotion.licences import licence_of
from orchestrator.registry.promotion.sweep_results import rows_of_test
from orchestrator.reporting.aggregate import Figures, table_figures

_METRICS = {
    "srcc": "SRCC",
    "plcc": "PLCC",
    "krcc": "KRCC",
    "plcc_fitted": "PLCC after a logistic fit on validation",
    "rmse": "RMSE",
    "srcc_within_generator": "SRCC within generators",
    "srcc_within_prompt": "SRCC within prompts",
}


def model_card(candidate: Candidate, verdicts: Sequence[GateResult], encoders: dict[str, str], outcome: str) -> str:
    """Markdown of a few screens.

    Args:
        candidate: whose model it is.
        verdicts: of the gates.
        encoders: kind → name, of those that the model runs.
        outcome: what came of the judgement, in a sentence.
    """
    spec, tags = candidate.evidence.spec, candidate.run.data.tags
    test = rows_of_test(candidate.table)
    sweep_tags = candidate.evidence.sweep.data.tags
    figures = table_figures([candidate.table], candidate.targets)
    lines = [
        # MLflow's list of versions shows the beginning of this, as plain text.
        f"Test SRCC {figures.metrics['srcc']:.4f} on {spec.dataset}. {outcome}",
        "",
        f"The model is of **{spec.variant}**, run `{candidate.name}` ({candidate.run.info.run_name}).",
        "",
        "### Gates",
        *(f"- {_word(verdict)} **{verdict.gate}**: {_line(verdict.sentence)}" for verdict in verdicts),
        "",
        "### Data and protocol",
        f"`{spec.dataset}`, {' and '.join(candidate.targets)}; data `{candidate.evidence.data_hash[:12]}`, split "
        f"`{tags['split_hash'][:12]}`. Protocol `{spec.protocol}`: {_judged_on(spec.protocol, test)} "
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
        f"`{tags.get('git.commit', 'unknown')[:12]}`{_dirty(tags)}; sweep `{candidate.evidence.name}` of "
        f"{sweep_tags.get('budget', spec.trials)} trials × {spec.epochs} epochs.",
        "",
        "### Limits",
        f"Scores are opinions of the people who rated `{spec.dataset}`, of its generators and its kind of prompts; "
        "images of other generators, styles or languages may be ranked worse than the interval says. The interval is "
        "over prompts of one test set, which earlier champions were judged on, too. Scores order images; a difference "
        "smaller than the RMSE says little. It judges neither safety nor truth.",
    ]
    return "\n".join(lines)


def _judged_on(protocol: str, test: pd.DataFrame) -> str:
    images = f"the {len(test)} test images of {test['prompt_id'].nunique()} prompts"
    if is_optimistic(protocol):
        return f"epochs and configurations are chosen on {images}, so the figures are better than the model."
    return f"epochs and configurations are chosen on validation; {images} were read once."


def _chosen(candidate: Candidate) -> str:
    if candidate.named:
        return "Named by `--run`."
    configurations, runs = len(candidate.evidence.configurations()), len(candidate.runs)
    best = (
        "The only confirmed configuration"
        if configurations == 1
        else (f"Of {configurations} confirmed configurations the best by validation")
    )
    return (
        f"{best}, its only run."
        if runs == 1
        else (f"{best}, of its {runs} runs the one with the median validation score.")
    )


def _metrics(figures: Figures, targets: tuple[str, ...]) -> list[str]:
    """A line a metric, since MLflow sets tables without any space between their columns."""
    each: dict[str, Figures] = figures.targets or {targets[0]: figures}
    lines = []
    for metric, title in _METRICS.items():
        of = [f"{f'{target} ' if len(each) > 1 else ''}{_number(found, metric)}" for target, found in each.items()]
        lines.append(f"- {title}: {', '.join(of)}")
    return lines


def _number(figures: Figures, metric: str) -> str:
    value = figures.metrics[metric]
    if value != value:
        return "–"
    found = figures.intervals.get(metric)
    return f"{value:.4f}" + (f" [{found.low:.3f}, {found.high:.3f}]" if found and found.low == found.low else "")


def _word(verdict: GateResult) -> str:
    return "✓" if verdict.passed else "✗ failed:"


def _line(text: str) -> str:
    return " ".join(text.split())


def _dirty(tags: dict[str, str]) -> str:
    return " with changes that were not committed" if tags.get("git.dirty") == "true" else ""
