"""Description of the sweep's run in MLflow: the search, the data and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.parameters import Parameter

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep
    from orchestrator.reporting.summary import Summary


def describe_start(prepared: PreparedSweep) -> str:
    """Return the description of a running sweep in Markdown."""
    return "\n\n".join((*_describe_setup(prepared), "**Running.** Trials appear below as they start."))


def describe_result(prepared: PreparedSweep, summary: Summary) -> str:
    """Return the description of a finished sweep in Markdown."""
    from orchestrator.reporting.result_sentences import conclusions, protocol_line, summary_line
    from orchestrator.reporting.tables import cross_markdown, result_markdown
    from orchestrator.reporting.winning_parameters import parameters_markdown

    result = summary.as_result()
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in summary.counts["search"].items() if count)
    verdict, *others = conclusions(result) or [""]  # without confirm runs nothing is compared
    # MLflow folds a long description, so the result comes first.
    parts = [
        f"{f'**{verdict}** ' if verdict else ''}{summary_line(result)} Trials: {outcomes}.",
        result_markdown(result),
        f"Figures: {protocol_line(result)}.",
        *cross_markdown(result),
        "\n".join(f"- {sentence}" for sentence in others),
        *parameters_markdown(result),
        *_describe_setup(prepared),
    ]
    if summary.optimistic:
        parts.append("**Optimistic**: epochs and configurations were chosen on the test images, as the paper does.")
    best = summary.best("search")
    if best and best.representative:
        parts.append(
            "The model of the best configuration is on its confirm run with the median validation score "
            f"(`run_key = {best.representative}`)."
        )
    return "\n\n".join(parts)


def _describe_setup(prepared: PreparedSweep) -> list[str]:
    spec, dataset, split = prepared.spec, prepared.dataset, prepared.splits[0]
    searched = [name for name, value in prepared.space.items() if isinstance(value, Parameter)]
    excluded = f", {len(dataset.quarantined)} excluded as unusable" if dataset.quarantined else ""
    control = "; the control `plain_head` gets as many" if prepared.control_space else ""
    return [
        f"Search of **{spec.variant}** for **{' and '.join(prepared.targets)}** on **{dataset.name}** "
        f"({len(dataset)} images, {dataset.group_count} {dataset.group_noun}{excluded}).",
        f"**Searched**, by {spec.sampler} with pruner {spec.pruner}: {', '.join(searched)}. {spec.trials} trials of "
        f"at most {spec.epochs} epochs{control}.",
        f"**Split**, protocol {spec.protocol}: {len(split.train)} images train, {len(split.validation)} choose "
        f"epochs and configurations, {len(split.test)} are the test, read once by the confirm runs.",
        *([" ".join(prepared.cross.sentences())] if prepared.cross else []),
    ]
