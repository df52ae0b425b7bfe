"""Plots of a finished sweep as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure  # without pyplot, which has a backend that the calling program may have chosen
from matplotlib.ticker import MaxNLocator

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.data.read_predictions import read_predictions
from orchestrator.execution.plan import Arm
from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from orchestrator.core.sweep_folder import Workspace
    from orchestrator.reporting.summary import Summary

_COLOURS = {"search": "#3465a4", "control": "#888a85", "baselines": "#c4a000"}
_NAMES = {"search": "variant", "control": "control"}


def draw_figures(summary: Summary, arms: Sequence[Arm], workspace: Workspace) -> None:
    """Draw `search.png`; if runs were confirmed, also `comparison.png` and `predictions.png`."""
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        _search(arms, summary, workspace)
        if any(line.test for line in summary.confirmed):
            _comparison(summary, workspace)
            _predictions(summary, workspace)


def _search(arms: Sequence[Arm], summary: Summary, workspace: Workspace) -> None:
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, right, bars = figure.subplots(1, 3, width_ratios=[1, 1, 0.7])
    for arm in arms:
        colour = _COLOURS[arm.study]
        best: list[tuple[int, float]] = []
        for trial in arm.ledger.trials():
            if not trial.epochs:
                continue
            epochs = sorted(trial.epochs)
            pruned = trial.outcome is not Outcome.COMPLETE
            right.plot(epochs, [trial.epochs[e] for e in epochs], color=colour, alpha=0.35 if pruned else 0.9, lw=1)
            if trial.objective is not None:
                left.scatter(
                    trial.number,
                    trial.objective,
                    color=colour,
                    s=18,
                    marker="x" if pruned else "o",
                    linewidths=1,
                )
            if trial.outcome is Outcome.COMPLETE and trial.objective is not None:
                best.append((trial.number, max([trial.objective, *(value for _, value in best)])))
        if best:
            left.step(
                *zip(*best, strict=True),
                where="post",
                color=colour,
                label=f"{_NAMES[arm.study]}, best so far",
            )
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(xlabel="trial", ylabel="validation SRCC (best epoch)", title="The search (×: stopped early)")
    if left.get_legend_handles_labels()[0]:
        left.legend(frameon=False, loc="lower right")
    right.set(xlabel="epoch", ylabel="validation SRCC", title="Every trial's curve")
    _importances(bars, arms[0])
    _save(figure, workspace, "search.png")


def _importances(axis: Any, arm: Arm) -> None:
    """Plot the importance of the parameters in the variant's search."""
    shares = sorted(arm.ledger.parameter_importances().items(), key=lambda item: item[1])
    axis.set_title(f"Parameter importance ({_NAMES[arm.study]})")
    if not shares:
        axis.text(0.5, 0.5, "too few trials", ha="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    axis.barh([name for name, _ in shares], [share for _, share in shares], color=_COLOURS[arm.study])
    axis.set(xlabel="share of the objective's variance")


def _comparison(summary: Summary, workspace: Workspace) -> None:
    from orchestrator.reporting.summary import BASELINES

    bars: list[tuple[str, Any, str]] = []
    for line in summary.confirmed:
        if line.test:
            label = f"{line.variant}\n{'trial' if line.study == 'search' else 'control'} {line.trial.number}"
            bars.append((label, line.test, _COLOURS[line.study]))
    bars += [
        (
            BASELINES[b.name].split(" (")[0].replace(" on the same", "\non the same"),
            b.test,
            _COLOURS["baselines"],
        )
        for b in summary.baselines
        if b.test
    ]
    figure = Figure(figsize=(8, 0.45 * len(bars) + 1.2), layout="constrained")
    axis = figure.subplots()
    for position, (_, figures, colour) in enumerate(bars):
        if interval := figures.intervals.get("srcc"):
            axis.plot([interval.low, interval.high], [position] * 2, color=colour, lw=2, alpha=0.6)
        axis.scatter(figures.metrics["srcc"], position, color=colour, s=36, zorder=3)
        axis.annotate(
            f"{figures.metrics['srcc']:.3f}",
            (figures.metrics["srcc"], position),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axis.set_yticks(range(len(bars)), [label for label, _, _ in bars])
    axis.invert_yaxis()
    optimistic = " — optimistic" if summary.optimistic else ""
    axis.set(xlabel="test SRCC: median over splits, 95 % interval over prompts", title=f"On test{optimistic}")
    axis.grid(axis="x", alpha=0.3)
    _save(figure, workspace, "comparison.png")


def _predictions(summary: Summary, workspace: Workspace) -> None:
    best = summary.best("search")
    if best is None or best.representative is None:
        return
    table = read_predictions(workspace.trials / best.representative / PREDICTIONS)
    table = table[table["part"] == "test"]
    targets = summary.prepared.targets
    figure = Figure(figsize=(5 * len(targets), 4.4), layout="constrained")
    axes = figure.subplots(1, len(targets), squeeze=False)
    for axis, target in zip(axes[0], targets, strict=True):
        for generator, rows in table.groupby("generator"):
            axis.scatter(rows[f"predicted_{target}"], rows[target], s=9, alpha=0.7, label=str(generator))
        low = min(table[target].min(), table[f"predicted_{target}"].min())
        high = max(table[target].max(), table[f"predicted_{target}"].max())
        axis.plot([low, high], [low, high], color="black", lw=0.8, alpha=0.5)
        axis.set(xlabel=f"predicted {target}", ylabel=f"{target} (mean opinion score)")
        axis.set_title(f"Test images, trial {best.trial.number}")
    axes[0][-1].legend(frameon=False, fontsize=7, markerscale=1.5)
    _save(figure, workspace, "predictions.png")


def _save(figure: Any, workspace: Workspace, name: str) -> None:
    figure.savefig(workspace.report / name, dpi=130)
