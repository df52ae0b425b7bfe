"""Time and cost of a sweep that was interrupted: seconds of its runs, CPU and GPU hours."""

from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.made_sweeps import make_sweep
from orchestrator.core.training_files import EPOCHS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.job import EpochReport
from orchestrator.reporting.page.run_spans import read_spans
from orchestrator.reporting.page.sweep_cost import cost_rows
from orchestrator.reporting.sweep_record import read_sweep_record
from orchestrator.search.outcome import Outcome

NIGHT = timedelta(hours=10)


@pytest.fixture
def record(tmp_path):
    """Return a sweep whose first trial was interrupted for a night after its second epoch of 2 s each."""
    record = read_sweep_record(make_sweep(tmp_path / "mine", 1, epochs=4, outcomes=(Outcome.COMPLETE,)))
    (trial,) = record.studies["search"]
    trial = replace(trial, ended=trial.ended + NIGHT)
    begin = trial.started.timestamp()
    ends = [begin + 2 * number + (NIGHT.total_seconds() if number > 2 else 0) for number in trial.epochs]
    folder = record.workspace.trials / "trial-0000"
    folder.mkdir(parents=True)
    EpochLog(folder / EPOCHS).reset(
        [EpochReport(number, 0.1, {}, 2.0, end) for number, end in zip(trial.epochs, ends, strict=True)]
    )
    return replace(record, studies={"search": [trial]})


def rows(record, **slots):
    if slots:
        record = replace(record, result={"slots": {"count": 2, "busy_share": 0.5, **slots}})
    return dict(cost_rows(record, read_spans(record)))


def test_time_between_two_starts_costs_nothing(record):
    (span,) = read_spans(record)
    assert span.seconds == 8 and span.ended - span.started == NIGHT + timedelta(seconds=8)
    assert "8.0 s" in span.describe() and rows(record)["time of all runs together"] == "8 s in 1 runs"


def test_an_unfinished_trial_ends_with_its_last_logged_epoch(record):
    (trial,) = record.studies["search"]
    unfinished = replace(trial, outcome=None, ended=None)
    (span,) = read_spans(replace(record, studies={"search": [unfinished]}))
    assert span.ended == trial.ended and span.seconds == 8


def test_a_run_that_another_host_logged_lasts_from_start_to_end(record):
    (record.workspace.trials / "trial-0000" / EPOCHS).unlink()
    (span,) = read_spans(record)
    assert span.seconds == NIGHT.total_seconds() + 8


def test_hours_are_those_of_the_settled_resources(record):
    (trial,) = record.studies["search"]
    hour = [EpochReport(number, 0.1, {}, 3600.0, trial.started.timestamp() + 3600 * number) for number in trial.epochs]
    EpochLog(record.workspace.trials / "trial-0000" / EPOCHS).reset(hour)
    found = rows(record, cpus=4.0, gpus=0.25)
    assert found["CPU hours"] == "16.00 (4 per run)" and found["GPU hours"] == "1.00 (0.25 per run)"
    assert rows(record, cpus=1.0, gpus=0.0)["GPU hours"] == "0, no run had a GPU"


def test_unknown_resources_have_no_hours(record):
    assert not {"CPU hours", "GPU hours"} & {*rows(record), *rows(record, owner="of an earlier version")}
