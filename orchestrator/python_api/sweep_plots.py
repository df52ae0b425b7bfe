"""Plots of a sweep in a script or a notebook: the charts of its report page, as Matplotlib axes or Plotly figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from orchestrator.core.errors import InputError
from orchestrator.reporting.page.predictions import predictions
from orchestrator.reporting.page.search_history import search_history
from orchestrator.reporting.page.sections import SectionFunction
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    from orchestrator.reporting.page.section import Chart

Backend = Literal["matplotlib", "plotly"]


class SweepPlots:
    """Plots of a sweep.

    Each method draws on a new figure of Matplotlib's pyplot and returns its axes, a list if there are several. With
    `backend="plotly"` it returns a Plotly figure instead. It raises InputError if the sweep has nothing to draw.

    Args:
        record: the sweep.
    """

    def __init__(self, record: SweepRecord) -> None:
        self._record = record

    def history(self, backend: Backend = "matplotlib") -> Any:
        """Plot the objective of every trial and the best so far."""
        return self._plot(search_history, "search", backend)

    def curves(self, backend: Backend = "matplotlib") -> Any:
        """Plot the objective of every trial by epoch."""
        return self._plot(search_history, "curves", backend)

    def importance(self, backend: Backend = "matplotlib") -> Any:
        """Plot the importance of the parameters."""
        return self._plot(_parameters, "importance", backend)

    def parallel(self, backend: Backend = "matplotlib") -> Any:
        """Plot the objective and the most important parameters as parallel coordinates."""
        return self._plot(_parameters, "parallel", backend)

    def predictions(self, backend: Backend = "matplotlib") -> Any:
        """Plot the test images' predicted scores against their mean opinion scores, for the first target."""
        return self._plot(predictions, "predictions", backend)

    def _plot(self, section: SectionFunction, name: str, backend: Backend) -> Any:
        if backend not in ("matplotlib", "plotly"):
            raise InputError(f"backend is matplotlib or plotly, not {backend!r}.")
        built = section(self._record)
        charts = [chart for chart in built.charts if chart.name.startswith(name)] if built else []
        if not charts:
            reason = " ".join(built.sentences) if built else "the sweep has too few finished runs."
            raise InputError(f"There is no plot of {name}: {reason}")
        return _axes(charts[0]) if backend == "matplotlib" else charts[0].figure


def _parameters(record: SweepRecord) -> Any:
    from orchestrator.reporting.page.parameters import parameters

    return parameters(record)


def _axes(chart: Chart) -> Any:
    import matplotlib.pyplot as plt

    if chart.draw is None:
        raise InputError(f'The plot of {chart.name} exists with backend="plotly" only.')
    with plt.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = plt.figure(figsize=(7, 4), layout="constrained")
        chart.draw(figure)
    return figure.axes[0] if len(figure.axes) == 1 else figure.axes
