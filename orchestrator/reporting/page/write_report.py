"""Report of one sweep or several, as the command `report` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.sweep_folder import Workspace, running
from orchestrator.reporting.page.write_page import write_page, write_pictures
from orchestrator.reporting.sweep_record import read_sweep_record


def write_report(workspaces: Sequence[Workspace], to: Path | None = None) -> Path:
    """Write the page of one sweep, with its charts as PNG files next to it, or the comparison of several.

    Args:
        workspaces: of the sweeps, each once.
        to: the file; None for the sweep's own page or, of several sweeps, for `report.html` in the working folder.

    Returns:
        Absolute path of the page.

    Raises:
        InputError: a sweep cannot be read.
        OSError: the page cannot be written.
    """
    records = [read_sweep_record(workspace) for workspace in {one.root: one for one in workspaces}.values()]
    if len(records) > 1:
        from orchestrator.reporting.page.several_sweeps import comparison_page

        path = (to or Path("report.html")).expanduser().absolute()
        write_file(path, comparison_page(records))
        return path
    (record,) = records
    path = to.expanduser().absolute() if to else record.workspace.report_page
    sections = write_page(record, running=running(record.workspace) is not None, to=path)
    if to is None:
        write_pictures(sections, record.workspace.report)
    return path
