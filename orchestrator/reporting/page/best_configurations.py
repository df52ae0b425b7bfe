"""Section on the best configurations: their parameters next to the defaults."""

from __future__ import annotations

from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.execution.job import Study, job_key
from orchestrator.reporting.page.markup import table
from orchestrator.reporting.page.palette import STUDY_NAMES
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.varied_parameters import VariedParameter, format_value, varied_parameters

_STUDIES: tuple[Study, ...] = ("search", "control")


def best_configurations(record: SweepRecord) -> Section | None:
    """Return the section on the best configurations of variant and control, as far as the sweep has got."""
    winners = {study: found for study in _STUDIES if (found := record.best(study))}
    title = "Best configurations"
    if not winners:
        return Section("best", title, ("No trial has ended with a finite score yet.",))
    columns = {study: _parameters(record, study, trial) for study, trial in winners.items()}
    names = dict.fromkeys(name for found in columns.values() for name in found)
    header = ["parameter", *(f"{STUDY_NAMES[s]}, {job_key(s, t.number)}" for s, t in winners.items()), "default"]
    rows = [_row(name, list(columns.values())) for name in names]
    sentence = (
        "Parameters that the search varies, learning rates first; * marks a value that is not the default. The best "
        "configuration is chosen by its validation SRCC (the rank correlation with the people's scores), never by test."
    )
    head = [("validation SRCC", *(f"{trial.objective:.4f}" for trial in winners.values()), "")]
    return Section("best", title, (sentence,), (), table(header, [*head, *rows]))


def _parameters(record: SweepRecord, study: Study, trial: LedgerTrial) -> dict[str, VariedParameter]:
    try:
        return {found.name: found for found in varied_parameters(record.space_of(study), trial.params)}
    except InputError:  # a trial from before the space was changed
        return {name: VariedParameter(name, value, None) for name, value in trial.params.items()}


def _row(name: str, columns: list[dict[str, VariedParameter]]) -> tuple[str, ...]:
    default = next(found[name].default for found in columns if name in found)
    return (name, *(_value(found.get(name)) for found in columns), _text(default))


def _value(parameter: VariedParameter | None) -> str:
    if parameter is None:
        return "–"
    return f"{format_value(parameter.value)}{' *' if parameter.differs else ''}"


def _text(value: Any) -> str:
    return "–" if value is None else format_value(value)
