"""Time and place of each run of a sweep, and the slots that they shared."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.execution.job import KEY_PREFIX, EpochReport, Study, job_key
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.ledger_trial import LedgerTrial


@dataclass(frozen=True)
class RunSpan:
    """Time and place of a run.

    Attributes:
        key: the run, such as trial-0003.
        study: its study.
        outcome: one of the five outcomes, or running.
        started, ended: local times; of an unfinished one, `ended` is the end of its last logged epoch.
        epochs: number of its epochs.
        seconds: of its epochs, without interruptions between them; from start to end if not all are logged here.
        host, device: of its last epochs; empty if unknown.
    """

    key: str
    study: str
    outcome: str
    started: datetime
    ended: datetime
    epochs: int
    seconds: float
    host: str = ""
    device: str = ""

    def describe(self) -> str:
        """Return run, outcome, seconds and place in a line."""
        place = f", {self.host} {self.device}".rstrip() if self.host else ""
        return f"{self.key}, {self.outcome}, {self.epochs} epochs, {self.seconds:.1f} s{place}"


def read_spans(record: SweepRecord) -> list[RunSpan]:
    """Return the runs of a sweep that have started, in the order of their starts."""
    spans = [
        _span(study, trial, trial.started, record.epochs(study, trial))
        for study in KEY_PREFIX
        for trial in record.studies.get(study, [])
        if trial.started is not None
    ]
    return sorted(spans, key=lambda span: span.started)


def _span(study: Study, trial: LedgerTrial, asked: datetime, logged: dict[int, EpochReport]) -> RunSpan:
    started, ended = asked, trial.ended or asked
    if logged:  # a run is asked for before a slot is free
        first, last = logged[min(logged)], logged[max(logged)]
        began = datetime.fromtimestamp(first.time) - timedelta(seconds=first.seconds)
        ended = trial.ended or max(asked, datetime.fromtimestamp(last.time))
        started = min(max(asked, began), ended)
    wall = (ended - started).total_seconds()
    complete = bool(logged) and logged.keys() >= trial.epochs.keys()
    place = next((logged[number].place for number in sorted(logged, reverse=True) if logged[number].place), {})
    return RunSpan(
        key=job_key(study, trial.number),
        study=study,
        outcome=str(trial.outcome or "running"),
        started=started,
        ended=ended,
        epochs=len(trial.epochs),
        seconds=min(wall, sum(epoch.seconds for epoch in logged.values())) if complete else wall,
        host=place.get("host", ""),
        device=place.get("device", ""),
    )


def assign_slots(spans: Iterable[RunSpan]) -> list[tuple[RunSpan, str]]:
    """Return each run with the label of its slot: the first slot of its host that is free when it starts."""
    ordered = sorted(spans, key=lambda span: span.started)
    hosts = {span.host for span in ordered if span.host}
    if len(hosts) == 1:  # baselines do not say where they ran
        ordered = [replace(span, host=next(iter(hosts))) for span in ordered]
    several = len({span.host for span in ordered}) > 1
    free: dict[str, list[int]] = {}
    used: dict[str, int] = {}
    busy: dict[str, list[tuple[datetime, int]]] = {}
    rows = []
    for span in ordered:
        ends = busy.setdefault(span.host, [])
        while ends and ends[0][0] <= span.started:
            heapq.heappush(free.setdefault(span.host, []), heapq.heappop(ends)[1])
        if free.get(span.host):
            slot = heapq.heappop(free[span.host])
        else:
            slot = used[span.host] = used.get(span.host, 0) + 1
        heapq.heappush(ends, (span.ended, slot))
        prefix = f"{span.host or 'unknown host'}, " if several else ""
        rows.append((span, f"{prefix}slot {slot}"))
    return rows
