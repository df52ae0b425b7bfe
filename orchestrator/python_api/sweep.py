"""A sweep as a Python object: its tables, its best configuration, its model, its report and its plots."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import job_key
from orchestrator.reporting.sweep_record import SweepRecord, read_sweep_record
from orchestrator.search.varied_parameters import format_value, varied_parameters

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.python_api.sweep_plots import SweepPlots
    from orchestrator.scoring import Scorer


@dataclass(frozen=True)
class BestConfiguration:
    """Best configuration of a sweep: by the validation figures of its confirm runs, or so far by its search.

    Attributes:
        key: trial that tried it first, such as `trial-0007`.
        params: its parameters in the form that `enqueue` takes.
        values: the same by their names in the search space, learning rates first; widths are a list.
        objective: validation SRCC of that trial's best epoch.
        validation: figures on validation, a median over confirm runs; empty if the sweep is not finished.
        test: the same on test; empty if nothing was confirmed.
        run: confirm run whose model stands for it; None if there is none.
    """

    key: str
    params: dict[str, Any]
    values: dict[str, Any]
    objective: float
    validation: dict[str, Any]
    test: dict[str, Any]
    run: str | None


class Sweep:
    """Sweep on disk, finished or not, as it was when it was read; `refresh` reads it again.

    Args:
        workspace: folder of the sweep.

    Raises:
        InputError: its files cannot be read.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.refresh()

    def refresh(self) -> Sweep:
        """Read the sweep again, which may be running, and return it."""
        from orchestrator.sweeps.sweep_status import sweep_status

        self._record: SweepRecord = read_sweep_record(self._workspace)
        self._state = str(sweep_status(self._workspace, self._record.spec).state)
        return self

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return self._workspace.name

    @property
    def folder(self) -> Path:
        """Folder of the sweep."""
        return self._workspace.root

    @property
    def state(self) -> str:
        """`running`, `finished`, `interrupted`, `unfinished` (no trial yet) or `damaged`."""
        return self._state

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the sweep by name."""
        return self._record.spec.model_dump()

    @property
    def result(self) -> dict[str, Any] | None:
        """Content of `result.json`; None if the sweep is not finished."""
        return self._record.result

    @property
    def trials(self) -> pd.DataFrame:
        """Table with one row per trial: study, key, outcome, objective, times, error, parameters."""
        return self._record.trials_table()

    @property
    def epochs(self) -> pd.DataFrame:
        """Table with one row per epoch of each trial: study, key, epoch, objective and other metrics."""
        return self._record.epochs_table()

    @property
    def best(self) -> BestConfiguration | None:
        """Best configuration so far; None as long as no trial has ended with a finite score."""
        stored = (self.result or {}).get("best")
        trial = self._record.best("search")
        if trial is None or trial.objective is None:
            return None
        varied = varied_parameters(self._record.space_of("search"), trial.params)
        return BestConfiguration(
            key=job_key("search", trial.number),
            params=dict(trial.params),
            values={one.name: one.value for one in varied},
            objective=trial.objective,
            validation=(stored or {}).get("val") or {},
            test=(stored or {}).get("test") or {},
            run=(stored or {}).get("run"),
        )

    @property
    def best_params(self) -> dict[str, Any]:
        """Parameters of the best configuration, ready for `run_sweep(enqueue=[…])`.

        Raises:
            InputError: no trial has ended with a finite score yet.
        """
        return dict(self._best().params)

    @property
    def plot(self) -> SweepPlots:
        """Plots: `history()`, `curves()`, `importance()`, `parallel()` and `predictions()`."""
        from orchestrator.python_api.sweep_plots import SweepPlots

        return SweepPlots(self._record)

    def report(self) -> Path:
        """Return the path of the report page, `report/index.html`; write it if it is missing.

        Raises:
            InputError: it cannot be written.
        """
        from orchestrator.reporting.page.write_report import write_report

        path = self._workspace.report_page
        try:
            return path if path.is_file() else write_report([self._workspace])
        except OSError as error:
            raise InputError(f"The report page {path} cannot be written: {reason(error)}.") from error

    def scorer(self, device: str = "cpu") -> Scorer:
        """Load the model that stands for the best configuration; call it on images and prompts.

        Args:
            device: device that the model runs on.

        Raises:
            InputError: the sweep is not finished, or has confirmed no configuration.
        """
        from orchestrator.registry.resolve import load_found, resolve_model

        with resolve_model(str(self.folder), self.folder.parent) as found:
            return load_found(found, device)

    def _best(self) -> BestConfiguration:
        best = self.best
        if best is None:
            raise InputError(f"The sweep {self.name} has no trial with a finite score yet.")
        return best

    def _facts(self) -> dict[str, str]:
        spec, best = self._record.spec, self.best
        ended = sum(trial.outcome is not None for trial in self._record.studies.get("search", []))
        facts = {
            "state": self.state,
            "variant": spec.variant,
            "data set": str(Path(spec.dataset.removeprefix("csv:")).name),
            "trials": f"{ended} of {spec.trials}",
        }
        if best:
            facts["best"] = best.key
            facts["validation SRCC"] = f"{best.validation.get('srcc') or best.objective:.4f}"
        if best and best.test.get("srcc") is not None:
            facts["test SRCC"] = f"{best.test['srcc']:.4f}"
        return facts

    def __repr__(self) -> str:
        facts = self._facts()
        best = f", best {facts['best']} {facts['validation SRCC']}" if "best" in facts else ""
        return f"<Sweep {self.name}: {facts['state']}, {facts['trials']} trials{best}>"

    def _repr_html_(self) -> str:
        rows = self._facts()
        if best := self.best:
            rows |= {name: format_value(value) for name, value in best.values.items()}
        cells = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
            for name, value in rows.items()
        )
        return f'<table><caption style="text-align:left"><b>{escape(self.name)}</b></caption>{cells}</table>'
