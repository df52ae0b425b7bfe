"""The sections of the report page, in their order."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.reporting.page.best_configurations import best_configurations
from orchestrator.reporting.page.parameters import parameters
from orchestrator.reporting.page.search_history import search_history
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.page.time_and_cost import time_and_cost
from orchestrator.reporting.page.versions import versions
from orchestrator.reporting.sweep_record import SweepRecord

SectionFunction = Callable[[SweepRecord], Section | None]
"""Function from a record to a section of the page; None if the sweep has nothing for it."""

SECTIONS: tuple[SectionFunction, ...] = (
    best_configurations,
    search_history,
    parameters,
    time_and_cost,
    versions,
)
