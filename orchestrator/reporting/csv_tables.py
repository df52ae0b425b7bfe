"""Tables of a sweep's trials and epochs as CSV files in its report."""

from __future__ import annotations

from orchestrator.core.atomic_files import write_file
from orchestrator.reporting.sweep_record import SweepRecord


def write_csv_tables(record: SweepRecord) -> None:
    """Write `report/trials.csv` and `report/epochs.csv` of a sweep, finished or not."""
    report = record.workspace.report
    report.mkdir(exist_ok=True)
    for name, table in (("trials", record.trials_table()), ("epochs", record.epochs_table())):
        write_file(report / f"{name}.csv", table.to_csv(index=False))
