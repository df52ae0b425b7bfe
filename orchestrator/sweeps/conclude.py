"""Conclusion of a sweep: summary, tables, report page, the end of its run in MLflow, and `result.json`."""

from __future__ import annotations

import json
import time
from typing import Any

from orchestrator.core.atomic_files import write_file
from orchestrator.core.shown_commands import report_command
from orchestrator.execution.progress import SweepProgress
from orchestrator.reporting.page.page_process import PageProcess
from orchestrator.sweeps.run_setup import SweepProcess, SweepRecords
from orchestrator.tracking.sweep_run import log_sweep_end, mlflow_ids
from orchestrator.tracking.uploader_process import UploaderProcess


def conclude(
    process: SweepProcess,
    records: SweepRecords,
    uploader: UploaderProcess,
    progress: SweepProgress,
    page: PageProcess,
) -> dict[str, Any]:
    """Summarise a finished sweep, log its end and print its result; return the result.

    `result.json` is written after all other records, since its presence means that the sweep is finished, and before
    anything is printed.
    """
    from orchestrator.reporting.csv_tables import write_csv_tables
    from orchestrator.reporting.finished_sweep import print_finished
    from orchestrator.reporting.run_description import describe_result
    from orchestrator.reporting.summary import summarise
    from orchestrator.reporting.sweep_record import read_sweep_record
    from orchestrator.reporting.tables import write_tables
    from orchestrator.reporting.winning_parameters import reuse_commands, write_winner

    console, workspace = process.console, process.workspace
    prepared, studies = records.prepared, records.studies
    with process.summing_up():
        busy_share = progress.busy_share()
        page.prepare_last_page()
        summary = summarise(prepared, studies.arms, studies.confirm, workspace.trials)
        workspace.report.mkdir(exist_ok=True)
        result = summary.as_result()
        result["budget"] = prepared.spec.trials
        result["slots"] = {
            "count": records.slots.count,
            "busy_share": round(busy_share, 3),
            "cpus": prepared.spec.cpus_per_trial,
            "gpus": prepared.spec.gpus,
        }
        page.request_last_page(result | {"seconds": round(time.monotonic() - process.began, 1)})
        write_tables(result, workspace.report, reuse_commands(prepared.spec, workspace, result))
        write_winner(prepared.space, result, workspace.report)
        write_csv_tables(read_sweep_record(workspace))
        if not page.wait():
            again = report_command(workspace.name, workspace.root.parent)
            process.warn(f"The report page is missing. Write it with: {again}")
        log_sweep_end(prepared, workspace, records.recorder, summary, describe_result(prepared, summary))
        uploader.close(timeout=120)
        result["mlflow"] = mlflow_ids(prepared.spec, records.target.tracking_uri, uploader, result)
        result["seconds"] = round(time.monotonic() - process.began, 1)
    write_file(workspace.result, json.dumps(result, indent=1, allow_nan=False) + "\n")
    if process.shows_result:
        print_finished(console, workspace, prepared.spec, result)
    return result
