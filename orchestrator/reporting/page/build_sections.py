"""Sections of a sweep's report page; a section that fails is replaced by the reason and does not cost the page."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from orchestrator.reporting.page.section import Section
from orchestrator.reporting.page.sections import SECTIONS, SectionFunction
from orchestrator.reporting.sweep_record import SweepRecord

logger = logging.getLogger(__name__)


def build_sections(record: SweepRecord, functions: Sequence[SectionFunction] = SECTIONS) -> list[Section]:
    """Return the sections that a sweep has something for."""
    return [section for function in functions if (section := _build(record, function))]


def _build(record: SweepRecord, function: SectionFunction) -> Section | None:
    name = function.__name__
    try:
        return function(record)
    except Exception as error:  # any: the other sections are worth showing
        logger.exception("the section %s of the report page failed", name)
        reason = f"This section is missing: {type(error).__name__}: {error}."
        return Section(name.replace("_", "-"), name.replace("_", " ").capitalize(), (reason,))
