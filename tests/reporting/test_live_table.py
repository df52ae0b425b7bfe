"""The live table as it is drawn on a narrow terminal."""

import io
import time

from rich.console import Console

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.reporting.live_view import LiveView
from orchestrator.search.outcome import Outcome


def test_a_long_configuration_leaves_the_figures_visible():
    progress = SweepProgress(budget=4, epochs=15, slots=Slots(2))
    params = {f"parameter_{number}": 0.123 for number in range(30)}
    job = Job("search", 7, "text_hyper", None, {}, {"epochs": 15}, 0, 0, False, params=params)
    progress.on_job_start(job)
    progress.on_epoch(job, EpochReport(3, 0.6543, {}, 0.1, time.time()))
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True)
    console.print(LiveView(console, progress, "demo")._draw())
    drawn = stream.getvalue()
    assert all(figure in drawn for figure in ("trial 7", "running", "3/15", "0.6543", "parameter_0=0.123"))


def test_five_hundred_slots_leave_the_footer_on_the_screen():
    progress = SweepProgress(budget=600, epochs=15, slots=Slots(500))
    for number in range(510):
        job = Job("search", number, "text_hyper", None, {}, {"epochs": 15}, 0, 0, False)
        progress.on_job_start(job)
        progress.on_epoch(job, EpochReport(1, number / 1000, {}, 0.1, time.time()))
        if number < 10:
            progress.on_job_end(job, Outcome.COMPLETE if number == 9 else Outcome.PRUNED, {}, None)
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    lines = console.render_lines(LiveView(console, progress, "demo")._draw())
    drawn = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert len(lines) <= 24 and "10/600 runs" in drawn and "500 running" in drawn and "9 pruned" in drawn
    assert "best trial 509 0.5090" in drawn.replace("\n", " ")


def test_the_best_trial_is_running_or_complete():
    progress = SweepProgress(budget=4, epochs=15, slots=Slots(2))
    for number, (value, outcome) in enumerate([(0.3, Outcome.COMPLETE), (0.9, Outcome.PRUNED), (0.5, None)]):
        job = Job("search", number, "text_hyper", None, {}, {"epochs": 15}, 0, 0, False)
        progress.on_job_start(job)
        progress.on_epoch(job, EpochReport(1, value, {}, 0.1, time.time()))
        if outcome:
            progress.on_job_end(job, outcome, {}, None)
    assert progress.best("search").job.number == 2 and progress.best("control") is None
    progress.on_job_end(job, Outcome.PRUNED, {}, None)
    assert progress.best("search").job.number == 0
    assert progress.counts() == {"complete": 1, "pruned": 2} and progress.ended_jobs() == 3
    assert [line.job.number for line in progress.latest()] == [2, 1, 0]
