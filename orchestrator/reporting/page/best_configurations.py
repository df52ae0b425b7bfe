"""Section on the best configurations: their parameters next to the defaults."""

from __future__ import annotations

from orchestrator.execution.job import Study, job_key
from orchestrator.reporting.page.markup import table
from orchestrator.reporting.page.palette import STUDY_NAMES
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.reporting.winning_parameters import DIFFERS, parameter_rows

_STUDIES: tuple[Study, ...] = ("search", "control")


def best_configurations(record: SweepRecord) -> Section | None:
    """Return the section on the best configurations of variant and control, as far as the sweep has got."""
    winners = {study: found for study in _STUDIES if (found := record.best(study))}
    title = "Best configurations"
    if not winners:
        return Section("best", title, ("No trial has ended with a finite score yet.",))
    header = ["parameter", *(f"{STUDY_NAMES[s]}, {job_key(s, t.number)}" for s, t in winners.items()), "default"]
    rows = parameter_rows([record.parameters(study, trial) for study, trial in winners.items()], missing="–")
    sentence = (
        f"Parameters that the search varies, learning rates first; {DIFFERS} marks a value that is not the default. "
        "The best configuration is chosen by its validation SRCC (the rank correlation with the people's scores), "
        "never by test."
    )
    head = [("validation SRCC", *(f"{trial.objective:.4f}" for trial in winners.values()), "")]
    return Section("best", title, (sentence,), (), table(header, [*head, *rows]))
