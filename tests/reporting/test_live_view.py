"""The live view of a running sweep, and the progress that it shows."""

import io
import math
import os
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console

from orchestrator.execution import progress as tally_module
from orchestrator.execution.job import EpochReport
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.progress_snapshot import Phase
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.reporting.duration import duration
from orchestrator.reporting.live_view import FeatureProgress, LiveView
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_job
from tests.execution.fakes import FakeExecutor, FakeSweep, Work, epoch


def run(terminal: bool, wrong=None):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    tally = SweepProgress(budget=4 + 3, epochs=3, slots=Slots(2))
    sweep = FakeSweep(Plan(trials=2, confirm=1, splits=1, seed=0, epochs=3))
    monitor = SweepMonitor("demo", "a sweep")
    monitor.show_runs(tally, {})
    with LiveView(console, monitor) as view:
        assert FakeExecutor(sweep.controller(tally, view), Work(wrong or {})).run()
        drawn = view.draw()
    console.print(drawn)
    return console.file.getvalue(), tally


def test_other_output_than_a_terminal_gets_plain_lines():
    text, tally = run(False, {"trial-0001": ("failed", 2)})
    lines = text.splitlines()
    assert any(line.startswith("1/7  ") for line in lines) and any(line.startswith("7/7  ") for line in lines)
    assert any("trial 1: failed at epoch 1" in line for line in lines) and "\x1b" not in text
    assert any("trial 0: complete at epoch 3, validation SRCC 0." in line for line in lines)
    assert "trial 1: failed" in lines[lines.index(next(li for li in lines if "trial 1: failed at" in li)) + 1]
    assert tally.ended_jobs() == 7


@pytest.mark.parametrize("terminal", [False, True])
def test_a_repeated_error_is_printed_once(terminal):
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    tally = SweepProgress(budget=3, epochs=3, slots=Slots(1))
    monitor = SweepMonitor("demo", "a sweep")
    monitor.show_runs(tally, {})
    view = LiveView(console, monitor)
    for number, error in enumerate(("Traceback …\nno features", "Traceback …\nno features", "another")):
        tally.on_job_start(make_job(number))
        tally.on_job_end(make_job(number), Outcome.FAILED, {}, error)
        view.on_job_end(make_job(number), Outcome.FAILED, {}, error)
    text = console.file.getvalue()
    assert text.count("no features") == 1 and "trial 1: the same error as trial 0" in text
    assert "trial 2: another" in text


def test_a_terminal_gets_a_live_table():
    text, tally = run(True)
    assert all(word in text for word in ("trial 0", "confirm trial", "baselines, split 1", "7 complete", "7/7"))


def test_the_progress_counts_trials_and_has_the_best():
    tally = SweepProgress(budget=3, epochs=3, slots=Slots(1))
    first, second = make_job(0), make_job(1)
    for job in (first, second):
        tally.on_job_start(job)
    for number, value in ((1, 0.5), (2, math.nan), (3, 0.4)):
        tally.on_epoch(first, EpochReport(**epoch(number, value)))
    tally.on_epoch(second, EpochReport(**epoch(1, math.nan)))
    assert tally.best("search").job is first and tally.best("search").best == 0.5 and tally.best("control") is None
    tally.on_job_end(first, Outcome.COMPLETE, {}, None)
    tally.on_job_end(second, Outcome.DIVERGED, {}, None)
    assert tally.outcomes() == {"complete": 1, "diverged": 1} and tally.open_jobs() == []


def test_the_progress_has_the_time_left_and_the_busy_share(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tally_module.time, "monotonic", lambda: now[0])
    tally = SweepProgress(budget=10, epochs=4, slots=Slots(2))
    assert tally.busy_share() == 0.0 and tally.seconds_left() is None and tally.rate() == 0.0
    jobs = [make_job(n) for n in range(2)]
    for job in jobs:
        tally.on_job_start(job)
    for number in range(1, 5):
        now[0] += 1.0
        for job in jobs:
            tally.on_epoch(job, EpochReport(**epoch(number, 0.1)))
    assert tally.rate() == pytest.approx(8 / 3)
    for job in jobs:
        tally.on_job_end(job, Outcome.COMPLETE, {}, None)
    # 8 jobs of 4 epochs are ahead.
    assert tally.seconds_left() == pytest.approx(32 / (8 / 3))
    assert 0 < tally.busy_share() <= 1


def test_a_live_screen_leaves_the_standard_streams_to_the_log():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    before = sys.stdout, sys.stderr
    with LiveView(console, SweepMonitor("demo", "a sweep")):
        assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("terminal", [False, True])
def test_a_signal_is_acknowledged_within_half_a_second(terminal):
    stopping, insisted = threading.Event(), threading.Event()
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    monitor = SweepMonitor("demo", "a sweep", stopping.is_set)

    def wait_for(text):
        began = time.monotonic()
        while text not in console.file.getvalue():
            assert time.monotonic() < began + 20
            time.sleep(0.01)
        return time.monotonic() - began

    with LiveView(console, monitor, insisted.is_set):
        time.sleep(0.3)
        assert "Stopping" not in console.file.getvalue()
        stopping.set()
        assert wait_for("Stopping. Ctrl-C again stops at once.") < 5  # on a busy machine; 0.25 s on an idle one
        insisted.set()
        wait_for("Stopping at once.")
    text = console.file.getvalue()
    assert terminal or text.splitlines() == ["Stopping. Ctrl-C again stops at once.", "Stopping at once."]


@pytest.mark.parametrize("term", ["dumb", ""])
def test_phases_are_plain_lines_without_a_terminal(term):
    console = Console(file=io.StringIO(), width=120, force_terminal=bool(term), _environ={"TERM": term})
    with LiveView(console, SweepMonitor("demo", "a sweep")) as view:
        view.enter(Phase.CONNECTING)
        view.count(400, 400, "image features")
    assert console.file.getvalue() == "Connecting to Ray\nimage features: 400/400\n"


@pytest.mark.parametrize(
    "seconds, text", [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_a_duration_is_text_in_seconds_minutes_or_hours(seconds, text):
    assert duration(seconds) == text


def test_feature_progress_is_printed_in_plain_lines():
    console = Console(file=io.StringIO(), width=100)
    progress = FeatureProgress(console)
    for done in range(0, 101, 10):
        progress(done, 100, "image features")
    progress.close()
    lines = console.file.getvalue().splitlines()
    assert lines[-1].startswith("image features: 100/100") and len(lines) <= 3


def test_feature_progress_is_a_bar_in_a_terminal():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    progress = FeatureProgress(console)
    progress(50, 100, "image features")
    progress(100, 100, "image features")
    progress.close()
    assert "100/100" in console.file.getvalue()


def test_output_of_libraries_goes_to_the_log(tmp_path):
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from orchestrator.core.output_capture import redirect_output\n"
        "try:\n"
        "    with redirect_output(Path('log')) as (out, err):\n"
        "        print('noise'); os.write(1, b'native noise'); os.system('echo child noise >&2')\n"
        "        print('shown', file=out); print('warned', file=err)\n"
        "        raise KeyError\n"
        "except KeyError:\n"
        "    print('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ, encoding="utf-8"
    )
    assert (done.stdout, done.stderr) == ("shown\nafter\n", "warned\n")
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert all(noise in log for noise in ("noise", "native noise", "child noise")) and "shown" not in log


@pytest.mark.parametrize("raises", [False, True])
def test_output_of_libraries_before_the_sweep_is_logged_unless_it_does_not_start(tmp_path, raises):
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from orchestrator.core.output_capture import capture_libraries\n"
        "with capture_libraries(sys.stderr, Path('log')) as stream:\n"
        "    print('noise'); os.write(2, b'native noise')\n"
        "    print('shown', file=stream)\n"
        f"    {'raise SystemExit' if raises else 'pass'}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("", "shown\n")
    log = tmp_path / "log"
    assert not log.exists() if raises else "noise" in log.read_text(encoding="utf-8")
