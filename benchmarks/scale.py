"""Growth of a sweep's driver with its trials: 100, 1,000 and 10,000 of them on 500 slots, in virtual time.

`python -m benchmarks scale` measures the figures of `docs/results/scale.md`; `python -m benchmarks.scale --help`
runs one size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np
from rich.console import Console

from benchmarks.mlflow_uploader import uploading
from benchmarks.simulation import Play, SimulatedTune
from benchmarks.stopwatch import Stopwatch, Timed
from orchestrator.execution.checkpoint_gc import CheckpointGarbageCollector, RetentionLimits
from orchestrator.execution.controller import SweepController
from orchestrator.execution.plan import Arm, Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.retention import RetentionPolicy
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher, register_controller
from orchestrator.reporting.live_view import LiveView
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import load_space
from orchestrator.tracking.event import Event
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader
from orchestrator.tracking.uploader_process import UploaderProcess

_SIZES = (100, 1000, 10_000)
_EPOCHS = 15


class CountingSink:
    """Sink that only counts events, so that the spool's and the uploader's own work is measured."""

    def __init__(self) -> None:
        self.events = 0

    def send(self, events: list[Event]) -> None:
        self.events += len(events)


def measure(trials: int, slots: int, ledger_kind: str, sampler: str, pruner: str, mlflow: str) -> dict[str, Any]:
    """Run one simulated sweep and return its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = {"journal": None, "sqlite": f"sqlite:///{folder / 'ledger.db'}"}.get(ledger_kind, ledger_kind)
        storage = open_storage(url, folder / "ledger.journal")
        watch = Stopwatch()
        space = load_space("text_hyper")
        search = Ledger(storage, f"{uuid4().hex}/search", space)
        search.set_sampler_and_pruner(
            cast(Any, Timed(build_sampler(sampler, 0), watch, "sampler")),
            build_pruner(pruner, _EPOCHS)
            if pruner == "hyperband"  # Optuna looks at its class
            else cast(Any, Timed(build_pruner(pruner, _EPOCHS), watch, "pruner")),
        )
        search.enqueue(space.default_params())
        confirm = Ledger(storage, f"{uuid4().hex}/confirm", None)
        spool = Spool(folder / "spool")
        collector = CheckpointGarbageCollector(
            folder / "trials",
            RetentionLimits(RetentionPolicy.parse("best:3")),
            3,
            {"search": search, "confirm": confirm},
        )
        recorder = Recorder(spool, folder / "trials", uploads=collector.keeps)
        recorder.record("start", SWEEP, name="scale", params={}, tags={})
        (folder / "trials").mkdir()
        progress = SweepProgress(budget=trials, epochs=_EPOCHS, slots=Slots(slots))
        with (folder / "lines").open("w", encoding="utf-8") as lines:
            monitor = SweepMonitor("scale", "scale")
            monitor.show_runs(progress, {})
            view = LiveView(Console(file=lines), monitor)
            callbacks = [Timed(recorder, watch, "recorder"), progress, view, collector]
            timed = [Timed(ledger, watch, "ledger") for ledger in (search, confirm)]
            arm = Arm("search", "text_hyper", None, space, cast(Ledger, timed[0]))
            controller = SweepController(
                Plan(trials, 5, 3, 0, _EPOCHS), [arm], cast(Ledger, timed[1]), cast(Any, callbacks)
            )
            register_controller("scale", controller)
            carrier = _carrier(mlflow, folder)
            collector.start()
            tune = SimulatedTune(
                cast(Any, Timed(ControllerSearcher("scale"), watch, "other")),
                cast(Any, Timed(ControllerScheduler("scale"), watch, "other")),
                Play(_EPOCHS),
                slots,
                cost=time.thread_time,  # of this thread alone: other programs on the machine are not the driver
            )
            marks = _Marks(watch)
            tune.after = marks.after
            tune.run()
            collector.close()
        assert controller.finished()
        began = time.perf_counter()
        left = carrier.close(3600)
        drained = time.perf_counter() - began
        found = {
            "trials": trials,
            "slots": slots,
            "ledger": ledger_kind.split(":")[0],
            "sampler": sampler,
            "pruner": pruner,
            "mlflow": mlflow,
            "results": tune.results,
            **marks.summary(),
            "rss_mb": _rss_mb(),
            "ledger_mb": round(_ledger_bytes(folder, url) / 1e6, 2),
            "spool_mb": round(sum(f.stat().st_size for f in (folder / "spool").rglob("*") if f.is_file()) / 1e6, 2),
            "occupancy": round(tune.occupancy.share(), 4),
            "occupancy_before_dry": round(tune.occupancy.share_before_dry(), 4),
            "virtual_hours": round(tune.occupancy.end / 3600, 3),
            "outcomes": search.counts(),
            "events_left": left,
            "drained_s_after": round(drained, 1),
            "events": dict(Counter(event.kind for event, _ in spool.entries())),
        }
        controller.interrupt()
        return found


class _Marks:
    """Milliseconds of every result: what its own handling took and what was asked for since the one before."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        self._before: dict[str, float] = defaultdict(float)
        self._cpu_before = 0.0
        self.parts: dict[str, list[float]] = {"sampler": [], "ledger": [], "pruner": [], "recorder": [], "other": []}
        self.cpu: list[float] = []
        self.rss = [_rss_mb()]

    def after(self) -> None:
        for part, values in self.parts.items():
            values.append(1000 * (self._watch.seconds[part] - self._before[part]))
            self._before[part] = self._watch.seconds[part]
        cpu = 1000 * sum(seconds for part, seconds in self._watch.cpu.items() if part != "sampler")
        self.cpu.append(cpu - self._cpu_before)
        self._cpu_before = cpu

    def summary(self) -> dict[str, Any]:
        parts = {name: np.array(values) for name, values in self.parts.items()}
        driver = sum(values for name, values in parts.items() if name != "sampler")
        tenth = max(1, len(driver) // 10)
        return {
            "driver_ms": _figures(driver),
            "driver_cpu_ms": _figures(np.array(self.cpu)),
            "cpu_last_tenth_ms": round(float(np.mean(self.cpu[-tenth:])), 3),
            "parts_ms": {name: round(float(values.mean()), 3) for name, values in parts.items()},
            "cpu_parts_ms": {name: round(1000 * self._watch.cpu[name] / len(driver), 3) for name in parts},
            "rss_before_mb": self.rss[0],
        }


def _figures(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return {"mean": round(float(values.mean()), 3), "p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def _carrier(kind: str, folder: Path) -> UploaderProcess | SpoolUploader:
    if kind == "sqlite":
        return uploading(folder / "spool", f"sqlite:///{folder / 'mlflow.db'}", "scale")
    uploader = SpoolUploader(Spool(folder / "spool"), CountingSink)
    uploader.start()
    return uploader


def _rss_mb() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def _ledger_bytes(folder: Path, url: str | None) -> int:
    if url and url.startswith("postgres"):
        from sqlalchemy import create_engine, text

        from orchestrator.core.ledger_url import ledger_url

        with create_engine(ledger_url(url)).connect() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    return sum(path.stat().st_size for path in folder.glob("ledger*"))


def main() -> None:
    """Run each size in a process of its own, so that memory is measured apart; `benchmarks.history` measures TPE."""
    runs = [(ledger, trials, "count") for ledger in ("journal", "sqlite") for trials in _SIZES]
    for ledger, trials, mlflow in [*runs, *(("journal", trials, "sqlite") for trials in _SIZES)]:
        command = [sys.executable, "-m", "benchmarks.scale", "--sampler", "random", "--mlflow", mlflow]
        command += ["--trials", str(trials), "--ledger", ledger]
        print(
            subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout.strip(),
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--ledger", default="journal", help="journal, sqlite, or the URL of a database")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--pruner", default="halving")
    parser.add_argument("--mlflow", default="sqlite", help="sqlite, or count: a sink that only counts")
    given = parser.parse_args()
    print(json.dumps(measure(given.trials, given.slots, given.ledger, given.sampler, given.pruner, given.mlflow)))
