"""The description on the sweep's run in MLflow: what was searched, on what, what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.parameters import Parameter

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep
    from orchestrator.reporting.summary import Summary


def describe_beginning(prepared: PreparedSweep) -> str:
    """Markdown for a sweep that runs."""
    return "\n\n".join((*_what(prepared), "**Running.** Trials appear below as they begin."))


def describe_result(prepared: PreparedSweep, summary: Summary) -> str:
    """Markdown for a finished sweep."""
    from orchestrator.reporting.tables import conclusions, cross_markdown, markdown_table, protocol_line, summary_line

    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in summary.counts["search"].items() if count)
    # The interface folds a long description: what came out stands first.
    parts = [
        f"**{summary_line(summary)}** Trials: {outcomes}.",
        markdown_table(summary),
        f"Figures: {protocol_line(summary)}.",
        *cross_markdown(summary),
        "\n".join(f"- {sentence}" for sentence in conclusions(summary)),
        *_what(prepared),
    ]
    if summary.optimistic:
        parts.append("**Optimistic**: epochs and configurations were chosen on the test images, as the paper does.")
    best = summary.best("search")
    if best and best.representative:
        parts.append(
            f"The model of the best configuration is on the run *confirm trial {best.trial.number}* with the median "
            f"validation score (`run_key = {best.representative}`)."
        )
    return "\n\n".join(parts)


def _what(prepared: PreparedSweep) -> list[str]:
    spec, dataset, split = prepared.spec, prepared.dataset, prepared.splits[0]
    searched = [name for name, value in prepared.space.items() if isinstance(value, Parameter)]
    left_out = f", {len(dataset.quarantined)} left out as unusable" if dataset.quarantined else ""
    control = "; the control `plain_head` gets as many" if prepared.control_space else ""
    return [
        f"Search of **{spec.variant}** for **{' and '.join(prepared.targets)}** on **{dataset.name}** "
        f"({len(dataset)} images, {len(set(dataset.prompts))} prompts{left_out}).",
        f"**Searched**, by {spec.sampler} with pruner {spec.pruner}: {', '.join(searched)}. {spec.trials} trials of "
        f"at most {spec.epochs} epochs{control}.",
        f"**Split**, protocol {spec.protocol}: {len(split.train)} images train, {len(split.validation)} choose "
        f"epochs and configurations, {len(split.test)} are the test, read once by the confirm runs.",
        *([" ".join(prepared.cross.sentences())] if prepared.cross else []),
    ]
