"""The sections of the report page, in their order."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.reporting.page.best_configurations import best_configurations
from orchestrator.reporting.page.comparison import comparison
from orchestrator.reporting.page.conclusion import conclusion
from orchestrator.reporting.page.data_set import data_set
from orchestrator.reporting.page.example_images import example_images
from orchestrator.reporting.page.parameters import parameters
from orchestrator.reporting.page.predictions import predictions
from orchestrator.reporting.page.residuals import residuals
from orchestrator.reporting.page.search_history import search_history
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.page.time_and_cost import time_and_cost
from orchestrator.reporting.page.versions import versions
from orchestrator.reporting.sweep_record import SweepRecord

SectionFunction = Callable[[SweepRecord], Section | None]
"""Function from a record to a section of the page; None if the sweep has nothing for it."""

SECTIONS: tuple[SectionFunction, ...] = (
    conclusion,
    best_configurations,
    comparison,
    predictions,
    residuals,
    example_images,
    search_history,
    parameters,
    time_and_cost,
    data_set,
    versions,
)
