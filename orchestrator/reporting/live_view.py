"""Live view of a running sweep: a screen that is drawn again and again or, without a terminal, plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.progress_snapshot import Phase, ProgressSnapshot, RunSnapshot
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.reporting.progress_screen import draw_progress
from orchestrator.reporting.run_columns import format_score
from orchestrator.search.outcome import Outcome

REFRESHES = 4
"""Redraws a second."""

_POLL = 0.1
"""Seconds between two looks, without a terminal, at whether the sweep stops."""


class LiveScreen(Protocol):
    """Screen that is drawn again and again."""

    def start(self, refresh: bool) -> None:
        """Begin to draw; at once if `refresh`."""

    def stop(self) -> None:
        """Draw no more; do nothing if it has stopped."""


ScreenMaker = Callable[[Callable[[], Group]], LiveScreen]
"""Function that returns a screen for a function that draws it."""


class LiveView:
    """Callbacks that show a sweep's progress on the screen; used as a context manager.

    Args:
        console: console to draw on.
        monitor: state of the sweep; it must know of a step before this callback does.
        insisted: returns whether the user has asked a second time to stop.
        make_screen: returns a live screen that shows what the given function returns; None for one on the console, if
            that is a terminal.
    """

    def __init__(
        self,
        console: Console,
        monitor: SweepMonitor,
        insisted: Callable[[], bool] = lambda: False,
        make_screen: ScreenMaker | None = None,
    ) -> None:
        self._insisted = insisted
        self._console = console
        self._monitor = monitor
        self._first_job_with: dict[str, str] = {}
        self._lines = FeatureProgress(console)
        self._drawn = Group()
        self._closing = threading.Event()
        self._live: LiveScreen | None = None
        if make_screen:
            self._live = make_screen(self.draw)
        elif can_redraw(console):
            # What libraries print must not be taken past the log, so rich leaves the standard streams alone.
            self._live = Live(
                get_renderable=self.draw,
                console=console,
                refresh_per_second=REFRESHES,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start(refresh=True)
        else:
            threading.Thread(target=self._announce_stop, name="announce-stop", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the live screen; do nothing if it is removed."""
        self._closing.set()
        if self._live:
            self._live.stop()

    def enter(self, phase: Phase) -> None:
        """Show that the sweep enters a phase; print a line if there is no live screen."""
        self._monitor.enter(phase)
        if not self._live:
            self._console.print(phase.headline, highlight=False)

    def count(self, done: int, total: int, what: str) -> None:
        """Show how much of a step of the phase is done."""
        self._monitor.count(done, total, what)
        if not self._live:
            self._lines(done, total, what)

    def draw(self) -> Group:
        """Return the screen of this moment; the last line of the terminal stays free for the cursor."""
        console = self._console
        height = max(1, console.height - 1)
        try:
            # Rows below the screen are not made: with hundreds of slots they would cost the driver time.
            snapshot = self._monitor.snapshot(rows=height)
        except RuntimeError:  # the runs changed meanwhile; the next redraw is soon
            return self._drawn
        ascii_only = console.options.ascii_only
        note = self._note(snapshot)
        self._drawn = draw_progress(snapshot, console.width, height, note=note, ascii_only=ascii_only)
        return self._drawn

    def on_job_start(self, job: Job) -> None:
        """Do nothing: the next refresh shows it."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Do nothing: the next refresh shows it."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Print an error, in full the first time, and without a live screen a line for every job."""
        if self._live is None and (run := self._monitor.run(job)):
            self._console.print(ended_line(run, self._monitor.budget), highlight=False, soft_wrap=True)
        if error:
            last = error.strip().splitlines()[-1]
            first = self._first_job_with.setdefault(last, job.title)
            last = last if first == job.title else f"the same error as {first}"
            self._console.print(f"{job.title}: {last}", style="red", highlight=False, markup=False, soft_wrap=True)

    def on_message(self, job: Job, note: str) -> None:
        """Print a line above the live screen."""
        self._console.print(f"{job.title}: {note}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing: the end of the sweep shows it."""

    def _note(self, snapshot: ProgressSnapshot) -> str:
        """Return the sentence that acknowledges a signal; empty before one."""
        if not snapshot.stopping:
            return ""
        if self._insisted():
            return "Stopping at once."
        return f"Stopping{' after the running epochs' if snapshot.running else ''}. Ctrl-C again stops at once."

    def _announce_stop(self) -> None:
        printed = ""
        while not self._closing.wait(_POLL):
            note = self._note(self._monitor.snapshot(rows=0))
            if note and (not printed or self._insisted()) and note != printed:
                self._console.print(note, style="yellow", highlight=False, soft_wrap=True)
                printed = note


def can_redraw(console: Console) -> bool:
    """Return whether a console is a terminal on which lines can be drawn again, as `TERM=dumb` is not."""
    return console.is_terminal and not console.is_dumb_terminal


def ended_line(run: RunSnapshot, budget: int) -> str:
    """Return the plain line of an ended run.

    Example:
        >>> ended_line(RunSnapshot("trial-0007", "trial 7", "search", "pruned", 3, 15, best=0.61, number=8), 24)
        '8/24  trial 7: pruned at epoch 3, validation SRCC 0.6100'
    """
    best = "" if run.best is None else f", validation SRCC {format_score(run.best)}"
    test = "" if run.test is None else f", test SRCC {format_score(run.test)}"
    return f"{run.number}/{budget}  {run.title}: {run.state} at epoch {run.epoch}{best}{test}"


class FeatureProgress:
    """Progress bars for reading data and encoding features."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._tasks: dict[str, object] = {}
        self._began: dict[str, float] = {}
        self._printed: dict[str, float] = {}

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show a bar for each kind of work or, if the output is not a terminal, a line every ten seconds."""
        now = time.monotonic()
        self._began.setdefault(what, now)
        rate = done / max(now - self._began[what], 1e-3)
        if not can_redraw(self._console):
            if done >= total or now - self._printed.get(what, 0.0) > 10:
                self._printed[what] = now
                # At the first call no time has passed.
                pace = f", {rate:.0f}/s" if now - self._began[what] > 0.1 else ""
                self._console.print(f"{what}: {done}/{total}{pace}", highlight=False)
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            rate_column = TextColumn("{task.fields[rate]:.0f}/s")
            self._bar = Progress(*columns, rate_column, TimeRemainingColumn(), console=self._console)
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total, rate=0.0)
        self._bar.update(self._tasks[what], completed=done, total=total, rate=rate)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop the bars and leave them on the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
