"""What the spool has told of each run, found in one pass over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.execution.job import KEY_PREFIX
from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool


@dataclass
class SpooledRun:
    """What was told of one run.

    Attributes:
        start: data of its first `start` event; None where none is there.
        steps: epochs whose metrics were told.
        final: figures of its end.
        tags: as they stand.
        status: of its `end`, None where it is open: started, or started again, and not ended since.
        last_epoch_time: milliseconds since 1970 of the latest epoch, 0 where there was none.
    """

    start: dict[str, Any] | None = None
    steps: set[int] = field(default_factory=set)
    final: dict[str, float] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    status: str | None = None
    last_epoch_time: int = 0

    def take(self, event: Event) -> None:
        """Takes in the run's next event."""
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

    @property
    def open(self) -> bool:
        """Whether MLflow shows it as running."""
        return self.start is not None and self.status is None


@dataclass
class SpoolIndex:
    """What was told of every run of a sweep.

    Attributes:
        runs: by key.
        kept: names of the folders with files that have not arrived yet.
    """

    runs: dict[str, SpooledRun] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def params(self, study: str) -> dict[int, dict[str, Any]]:
        """Parameters of a study's trials by their numbers, as their runs were started."""
        return {
            number: {key: value for key, value in start["params"].items() if key != "variant"}
            for number, start in self._starts(study)
        }

    def attributes(self, study: str) -> dict[int, dict[str, Any]]:
        """Of a study's trials by their numbers: the `source` they retrain, None for baselines, and the `split`."""
        return {
            number: {"source": start["tags"].get("source"), "split": start["tags"]["split"]}
            for number, start in self._starts(study)
        }

    def _starts(self, study: str) -> list[tuple[int, Mapping[str, Any]]]:
        titles: Mapping[str, str] = {str(name): title for name, title in KEY_PREFIX.items()}
        found = []
        for key, run in self.runs.items():
            title, _, number = key.rpartition("-")
            if run.start is not None and title == titles[study]:
                found.append((int(number), run.start))
        return sorted(found, key=lambda pair: pair[0])


def index_spool(spool: Spool) -> SpoolIndex:
    """Reads the whole spool once.

    Raises:
        NewerSpool: it was written by a later version.
    """
    told, sent = SpoolIndex(), spool.sent()
    for event, place in spool.entries():
        told.runs.setdefault(event.run, SpooledRun()).take(event)
        if place > sent and "kept" in event.data:
            told.kept.add(event.data["kept"])
    return told
