"""Plots of a finished sweep as PNG files, written before the report page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from orchestrator.execution.plan import Arm
from orchestrator.reporting.page.comparison import comparison
from orchestrator.reporting.page.predictions import predictions
from orchestrator.reporting.page.write_page import write_pictures
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from orchestrator.core.sweep_folder import Workspace
    from orchestrator.reporting.summary import Summary

_COLOURS = {"search": "#3465a4", "control": "#888a85"}
_NAMES = {"search": "variant", "control": "control"}


def draw_figures(summary: Summary, arms: Sequence[Arm], workspace: Workspace) -> None:
    """Draw `search.png`; if runs were confirmed, also the report page's charts of test figures and predictions."""
    with plt.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        _search(arms, summary, workspace)
    if any(line.test for line in summary.confirmed):
        prepared = summary.prepared
        record = SweepRecord(workspace, prepared.spec, prepared.space, {}, summary.as_result())
        write_pictures(filter(None, (comparison(record), predictions(record))), workspace.report)


def _search(arms: Sequence[Arm], summary: Summary, workspace: Workspace) -> None:
    figure, (left, right, bars) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained", width_ratios=[1, 1, 0.7])
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


def _save(figure: Any, workspace: Workspace, name: str) -> None:
    figure.savefig(workspace.report / name, dpi=130)
    plt.close(figure)
