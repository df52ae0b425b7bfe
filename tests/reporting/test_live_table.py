"""The live table as it is drawn on a narrow terminal."""

import io
import time

from rich.console import Console

from orchestrator.execution.job import Epoch, Job
from orchestrator.reporting.tally import Tally
from orchestrator.reporting.terminal import TerminalView


def test_a_long_configuration_does_not_push_the_figures_out():
    tally = Tally(budget=4, epochs=15, slots=2)
    params = {f"parameter_{number}": 0.123 for number in range(30)}
    job = Job("search", 7, "text_hyper", None, {}, {"epochs": 15}, 0, 0, False, params=params)
    tally.started(job)
    tally.epoch(job, Epoch(3, 0.6543, {}, 0.1, time.time()))
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True)
    console.print(TerminalView(console, tally, "demo")._draw())
    drawn = stream.getvalue()
    assert all(figure in drawn for figure in ("trial 7", "running", "3/15", "0.6543", "parameter_0=0.123"))
