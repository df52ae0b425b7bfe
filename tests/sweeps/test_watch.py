"""Views of a running sweep from another process: plain lines, JSON lines, a live screen, and how it ended."""

import io
import json
import threading
from contextlib import contextmanager

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestrator.core.sweep_folder import lock_sweep
from orchestrator.execution import snapshot_file
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.progress_snapshot import Phase
from orchestrator.execution.slots import Slots
from orchestrator.execution.snapshot_file import SnapshotPublisher, read_snapshot
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps import watch
from orchestrator.sweeps.__main__ import sweeps
from orchestrator.sweeps.watch import watch_sweep
from tests.execution.contexts import make_job


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(snapshot_file, "INTERVAL", 0.02)
    monkeypatch.setattr(watch, "INTERVAL", 0.02)


class DriverStub:
    """Driver of a sweep without runs of its own, in this process; `seen` waits until a watcher printed a text."""

    def __init__(self, name):
        self.stopping = threading.Event()
        self.monitor = SweepMonitor(name, f"{name}: text_hyper on shapes", self.stopping.is_set, Phase.CONNECTING)
        self.progress = SweepProgress(budget=4, epochs=3, slots=Slots(2))

    def train(self, *ended):
        self.monitor.show_runs(self.progress, {})
        for number in (*ended, ended[-1] + 1):
            self.progress.on_job_start(make_job(number))
            self.progress.mark_running(make_job(number))
        for number in ended:
            self.progress.on_job_end(make_job(number), Outcome.PRUNED, {}, None)


@contextmanager
def watched(workspace, console, **options):
    """Watch a sweep that this process holds; the view ends when the block does."""
    driver = DriverStub(workspace.name)
    with lock_sweep(workspace), SnapshotPublisher(workspace, driver.monitor):
        thread = threading.Thread(target=watch_sweep, args=(workspace, console), kwargs=options)
        thread.start()
        yield driver
    thread.join(timeout=20)
    assert not thread.is_alive()


def wait_for(text, stream, seconds=20):
    event = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if text in stream.getvalue():
            return
        event.wait(0.01)
    raise AssertionError(f"{text!r} is not in {stream.getvalue()!r}")


def test_other_output_than_a_terminal_gets_plain_lines(make):
    workspace, stream = make("mine"), io.StringIO()
    with watched(workspace, Console(file=stream, width=140)) as driver:
        wait_for("Connecting to Ray\n", stream)
        driver.train(0, 1)
        wait_for("2/4  trial 1: pruned at epoch 0\n", stream)
        driver.stopping.set()
        wait_for("The sweep stops after its running epochs.\n", stream)
    text = stream.getvalue()
    assert text.startswith("mine: text_hyper on shapes\n") and "\x1b" not in text
    assert "Search" in text and text.index("1/4  trial 0: pruned") < text.index("2/4  trial 1: pruned")
    assert "The sweep mine stopped after 2 of 4 runs; it is not finished. Resume with:" in text
    assert "python -m orchestrator.resume mine" in text and not workspace.snapshot.exists()


def test_a_terminal_gets_the_live_screen_and_how_it_ended(make):
    workspace, stream = make("mine", trials=3, finished=True), io.StringIO()
    with watched(workspace, Console(file=stream, width=100, height=20, force_terminal=True)) as driver:
        wait_for("connecting to Ray", stream)
        driver.train(0)
        wait_for("1 running", stream)
    text = stream.getvalue()
    assert "Ctrl-C ends this view; the sweep continues." in text
    assert "The sweep mine is finished: test SRCC 0.6123. Look at its result with:" in text
    assert f"python -m orchestrator.sweeps show mine --out {workspace.root.parent}\n" in text.replace("\r", "")


def test_json_lines_are_the_snapshots(make, capsys):
    workspace = make("mine")
    with watched(workspace, Console(file=io.StringIO()), as_json=True) as driver:
        for _ in range(2000):
            snapshot = read_snapshot(workspace)
            if snapshot and snapshot.phase is Phase.SEARCH:
                break
            if not driver.monitor.budget:
                driver.train(0)
            threading.Event().wait(0.01)
        threading.Event().wait(0.3)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1] == {"name": "mine", "state": "interrupted", "next": lines[-1]["next"]}
    assert lines[-2]["phase"] == "search" and lines[-2]["running"] == 1 and lines[-2]["done"] == 1


def test_a_sweep_that_does_not_run_says_how_to_resume(make, out):
    make("mine", trials=1)
    done = CliRunner().invoke(sweeps, ["watch", "mine", "--out", str(out)])
    assert done.exit_code == 0 and "The sweep mine is not running. Resume with:" in done.stdout
    assert f"python -m orchestrator.resume mine --out {out}" in done.stdout


def test_the_file_of_a_killed_process_is_not_shown(make):
    workspace, stream = make("mine"), io.StringIO()
    killed = DriverStub("mine")
    workspace.snapshot.write_bytes(killed.monitor.snapshot().to_json().replace(b'"pid":', b'"pid":1'))
    console = Console(file=stream, width=140)
    with lock_sweep(workspace):
        thread = threading.Thread(target=watch_sweep, args=(workspace, console))
        thread.start()
        wait_for("Loading libraries", stream)
        threading.Event().wait(0.2)
    thread.join(timeout=20)
    assert "Connecting" not in stream.getvalue()


def test_a_silent_sweep_is_said_to_be_silent(make, monkeypatch):
    monkeypatch.setattr(watch, "_SILENT", 0.05)
    monkeypatch.setattr(snapshot_file, "INTERVAL", 30.0)
    workspace, stream = make("mine"), io.StringIO()
    with lock_sweep(workspace):
        console = Console(file=stream, width=100, height=20, force_terminal=True)
        thread = threading.Thread(target=watch_sweep, args=(workspace, console))
        thread.start()
        wait_for("The sweep has reported nothing for", stream)
    thread.join(timeout=20)
