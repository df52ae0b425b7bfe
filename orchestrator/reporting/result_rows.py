"""Rows of the result table, from the content of `result.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models import CONTROL
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.reporting.columns import Figures, cross_cells, result_cells

Result = Mapping[str, Any]
"""Content of `result.json`."""


@dataclass(frozen=True)
class Row:
    """A row of the result table, as text.

    Attributes:
        group: "search", "control" or "baselines".
        label: first cell.
        cells: cells under `HEADER`.
        cross: cells under `CROSS_HEADER`, in the table of a second data set.
    """

    group: str
    label: str
    cells: tuple[str, ...]
    cross: tuple[str, ...]

    @classmethod
    def of(cls, group: str, label: str, validation: Figures | None, test: Figures | None, cross: Figures | None) -> Row:
        """Return the row of these figures; each may be missing."""
        return cls(group, label, result_cells(validation, test), cross_cells(cross))


def result_rows(result: Result) -> list[Row]:
    """Return the rows: configurations, best first, then controls, then baselines."""
    rows = [row for found in result.get("confirmed", ()) for row in _configuration_rows(result, found)]
    for name, figures in result.get("baselines", {}).items():
        if not figures.get("reason"):
            rows.append(Row.of("baselines", BASELINES.get(name, name), None, figures, figures.get("cross")))
    return rows


def cross_rows(result: Result) -> list[Row]:
    """Return the rows that have figures on a second data set; none without such a data set."""
    return [row for row in result_rows(result) if any(row.cross)]


def study_of(configuration: Mapping[str, Any]) -> str:
    """Return the study of a configuration in a result: "search" or "control"."""
    return "control" if configuration["source"].startswith(f"{KEY_PREFIX['control']}-") else "search"


def variant_of(result: Result, configuration: Mapping[str, Any]) -> str:
    """Return the variant that a configuration in a result trains; results of earlier versions do not name it."""
    known = CONTROL if study_of(configuration) == "control" else result.get("variant", "")
    return str(configuration.get("variant", known))


def _configuration_rows(result: Result, found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the row of a configuration and, if it has several targets, a row for each."""
    study = study_of(found)
    label = f"{variant_of(result, found)}, {'trial' if study == 'search' else 'control'} {found['trial']}"
    validation, test, cross = found["val"], found["test"], found.get("cross")
    yield Row.of(study, label, validation, test, cross)
    for target, own in validation.get("targets", {}).items():
        yield Row.of(study, f"  {target}", own, _of(test, target), _of(cross, target))


def _of(figures: Figures | None, target: str) -> Figures | None:
    found: Figures | None = (figures or {}).get("targets", {}).get(target)
    return found
