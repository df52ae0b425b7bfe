"""Index of a spool: what it holds of each run, read in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.execution.job import KEY_PREFIX
from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool


@dataclass
class SpooledRun:
    """Events of one run, summed up.

    Attributes:
        start: data of the first `start` event; None if there is none.
        steps: epochs with metrics.
        final: final metrics.
        tags: the latest value of each tag.
        status: status of the last `end` event; None if the run was started since, or never ended.
        last_epoch_time: milliseconds since 1970 of the latest epoch; 0 if there is none.
        final_time: milliseconds since 1970 of the final metrics; 0 if there are none.
    """

    start: dict[str, Any] | None = None
    steps: set[int] = field(default_factory=set)
    final: dict[str, float] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    last_epoch_time: int = 0
    final_time: int = 0

    def add(self, event: Event) -> None:
        """Add the run's next event."""
        self.tags.update(event.data.get("tags", {}))
        if event.kind == "start":
            self.start = self.start or event.data
            self.status = None
        elif event.kind == "end":
            self.status = event.data["status"]
        elif event.kind == "metrics":
            if step := event.data["step"]:
                self.steps.add(step)
                self.last_epoch_time = max(self.last_epoch_time, event.time)
            else:
                self.final.update(event.data["metrics"])
                self.final_time = event.time

    @property
    def open(self) -> bool:
        """True if MLflow shows the run as running."""
        return self.start is not None and self.status is None


@dataclass
class SpoolIndex:
    """Index of a sweep's spool.

    Attributes:
        runs: the runs by key.
        staged: names of the folders with files that are not uploaded yet.
    """

    runs: dict[str, SpooledRun] = field(default_factory=dict)
    staged: set[str] = field(default_factory=set)

    def params(self, study: str) -> dict[int, dict[str, Any]]:
        """Return the parameters of a study's trials by trial number, from the runs' `start` events."""
        return {
            number: {key: value for key, value in start["params"].items() if key != "variant"}
            for number, start in self._starts(study)
        }

    def attributes(self, study: str) -> dict[int, dict[str, Any]]:
        """Return `source` (key of the retrained trial, None for baselines) and `split` of a study's trials."""
        return {
            number: {"source": start["tags"].get("source"), "split": start["tags"]["split"]}
            for number, start in self._starts(study)
        }

    def _starts(self, study: str) -> list[tuple[int, Mapping[str, Any]]]:
        prefixes: Mapping[str, str] = {str(name): prefix for name, prefix in KEY_PREFIX.items()}
        starts = []
        for key, run in self.runs.items():
            prefix, _, number = key.rpartition("-")
            if run.start is not None and prefix == prefixes[study]:
                starts.append((int(number), run.start))
        return sorted(starts, key=lambda pair: pair[0])


def index_spool(spool: Spool) -> SpoolIndex:
    """Read the whole spool once and return its index.

    Raises:
        NewerSpool: a later version of this program wrote the spool.
    """
    index, sent = SpoolIndex(), spool.sent()
    for event, position in spool.entries():
        index.runs.setdefault(event.run, SpooledRun()).add(event)
        if position > sent and "kept" in event.data:
            index.staged.add(event.data["kept"])
    return index
