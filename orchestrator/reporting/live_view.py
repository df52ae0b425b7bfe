"""Live view of a running sweep: a table or, if the output is not a terminal, plain lines."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.progress import JobProgress, SweepProgress
from orchestrator.search.outcome import Outcome

_OTHER_LINES = 4
"""Lines of the live table in addition to its rows: title, header, footer, and the cursor's line."""

_STYLES = {
    Outcome.COMPLETE: "green",
    Outcome.PRUNED: "yellow",
    Outcome.DIVERGED: "red",
    Outcome.INFEASIBLE: "red",
    Outcome.FAILED: "bold red",
}


class LiveView:
    """Callbacks that show a sweep's progress in a live table; used as a context manager.

    Args:
        console: console to draw on.
        progress: progress of the sweep; must be a callback before this one.
        title: title of the table.
    """

    def __init__(self, console: Console, progress: SweepProgress, title: str) -> None:
        self._console = console
        self._progress = progress
        self._title = title
        self._first_job_with: dict[str, str] = {}
        self._live = (
            Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def on_job_start(self, job: Job) -> None:
        """Do nothing: the next refresh shows it."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Do nothing: the next refresh shows it."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Print an error, in full the first time, and without a live table a line for every job."""
        if self._live is None:
            line = self._progress.lines[job.key]
            best = f", validation SRCC {line.best:.4f}" if job.variant and line.best == line.best else ""
            test = f", test SRCC {final['test_srcc']:.4f}" if "test_srcc" in final else ""
            done = f"{self._progress.ended_jobs()}/{self._progress.budget}"
            text = f"{done}  {job.title}: {outcome} at epoch {line.epoch}{best}{test}"
            self._console.print(text, highlight=False, soft_wrap=True)
        if error:
            last = error.strip().splitlines()[-1]
            first = self._first_job_with.setdefault(last, job.title)
            last = last if first == job.title else f"the same error as {first}"
            self._console.print(f"{job.title}: {last}", style="red", highlight=False, markup=False, soft_wrap=True)

    def on_message(self, job: Job, note: str) -> None:
        """Print a line above the live table."""
        self._console.print(f"{job.title}: {note}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing: the end of the sweep shows it."""

    def _draw(self) -> Group:
        table = Table(title=self._title, title_justify="left", pad_edge=False, box=None, expand=True)
        for header, justify in (
            ("run", "left"),
            ("state", "left"),
            ("epoch", "right"),
            ("best SRCC", "right"),
        ):
            table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        # It gets the rest of the width, so that long configurations do not hide the figures.
        table.add_column("configuration", overflow="ellipsis", no_wrap=True, ratio=1)
        # Rows below the screen are not made: with hundreds of slots they would cost the driver time.
        room = max(1, self._console.height - _OTHER_LINES)
        for line in (self._progress.running() + self._progress.latest())[:room]:
            table.add_row(*self._row(line))
        return Group(table, self._footer())

    def _row(self, line: JobProgress) -> tuple[str, Text, str, str, str]:
        state = Text(
            str(line.outcome or ("waiting" if line.waiting else "running")),
            style=_STYLES.get(line.outcome, "cyan") if line.outcome else "cyan",
        )
        best = f"{line.best:.4f}" if line.best == line.best and line.job.variant else ""
        params = " ".join(f"{key}={_short(value)}" for key, value in line.job.params.items())
        return line.job.title, state, f"{line.epoch}/{line.job.training['epochs']}", best, params

    def _footer(self) -> Text:
        progress = self._progress
        parts = [f"{progress.ended_jobs()}/{progress.budget} runs"]
        parts += [f"{count} {state}" for state, count in sorted(progress.counts().items())]
        if best := progress.best("search"):
            parts.append(f"best {best.job.title} {best.best:.4f}")
        if control := progress.best("control"):
            parts.append(f"best control {control.best:.4f}")
        parts.append(f"{progress.rate():.1f} epochs/s")
        left = progress.seconds_left()
        parts.append(f"{duration(time.monotonic() - progress.began)} so far")
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return Text(" · ".join(parts), style="dim")


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
        if not self._console.is_terminal:
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


def duration(seconds: float) -> str:
    """Return seconds as text: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
