"""Notifications of a sweep, from a thread of their own: its end, and at most once a minute a new best."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.core.notification_target import NotDelivered, deliver
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps.sweep_status import confirmed_srcc

logger = logging.getLogger(__name__)

BEST_SECONDS = 60.0
"""Shortest time between two notifications of a new best."""

CLOSE_SECONDS = 15.0
"""Time for the last notifications at the end of a sweep."""

_ENDED = {Outcome.COMPLETE, Outcome.PRUNED}


class Notifier:
    """Callback that notifies of a sweep's events; a target that fails never stops the sweep.

    Args:
        spec: settings of the sweep.
        workspace: its folder.
        targets: addresses and commands.
        send: delivers a notification to a target.
    """

    def __init__(
        self,
        spec: SweepSpec,
        workspace: Workspace,
        targets: Sequence[str],
        send: Callable[[str, Mapping[str, Any]], None] = deliver,
    ) -> None:
        self._spec, self._workspace, self._targets, self._send = spec, workspace, targets, send
        self._changed = threading.Condition()
        self._last: dict[str, Any] | None = None
        self._best: dict[str, Any] | None = None
        self._best_value = -math.inf
        self._sent_best = -math.inf
        self._closing = False
        self._failed: set[str] = set()
        self._thread = threading.Thread(target=self._deliver_all, name="notifier", daemon=True)
        if targets:
            self._thread.start()

    def know_best(self, objective: float | None) -> None:
        """Set the best objective that is known from before, which is not new."""
        self._best_value = max(self._best_value, -math.inf if objective is None else objective)

    # Events of jobs

    def on_job_start(self, job: Job) -> None:
        """Do nothing."""

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Do nothing: a best epoch counts when its trial has ended."""

    def on_message(self, job: Job, note: str) -> None:
        """Do nothing."""

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing: the end of the sweep is notified."""

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Send a trial that is better than all before; only the latest of a minute is sent."""
        value = final.get("best_val_srcc", math.nan)
        if job.study != "search" or outcome not in _ENDED or not value > self._best_value:
            return
        self._best_value = value
        text = f"{self._spec.name}: new best, validation SRCC {value:.4f} ({job.key})"
        best = {"trial": job.key, "val_srcc": value, "parameters": dict(job.params)}
        with self._changed:
            self._best = self._notification("best", text, best=best)
            self._changed.notify()

    # Ends of the sweep

    def finished(self, result: Mapping[str, Any]) -> None:
        """Send the result."""
        best, control = result.get("best") or {}, result.get("control") or {}
        figures = {name: entry.get("test") for name, entry in (("best", best), ("control", control)) if entry}
        text = f"{self._spec.name}: finished"
        if self._best_value > -math.inf:
            text += f", best validation SRCC {self._best_value:.4f}"
        if (shown := confirmed_srcc(result, "best")) is not None:
            text += f", test SRCC {shown:.4f}"
            text += f", control {other:.4f}" if (other := confirmed_srcc(result, "control")) is not None else ""
        self._end(self._notification("finished", text, best={"trial": best.get("source")}, test=figures))

    def interrupted(self) -> None:
        """Send an interruption."""
        self._end(self._notification("interrupted", f"{self._spec.name}: interrupted; it can be resumed"))

    def failed(self, error: BaseException | str) -> None:
        """Send a failure, by the kind of its error only, since its text may hold a secret."""
        kind = error if isinstance(error, str) else type(error).__name__
        self._end(self._notification("failed", f"{self._spec.name}: failed ({kind}); log.txt has the reason"))

    def close(self, timeout: float = CLOSE_SECONDS) -> str | None:
        """Wait for the last deliveries; return a sentence if any notification was not delivered."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._targets:
            self._thread.join(timeout)
        if self._failed or self._thread.is_alive():
            return f"Some notifications were not delivered; {self._workspace.log} has the reason."
        return None

    def _notification(self, event: str, text: str, **fields: Any) -> dict[str, Any]:
        spec = self._spec
        return {
            "text": text,
            "event": event,
            "sweep": spec.name,
            "variant": spec.variant,
            "folder": str(self._workspace.root),
            "best": None,
            "test": None,
            **fields,
        }

    def _end(self, notification: dict[str, Any]) -> None:
        with self._changed:
            self._last, self._best = notification, None
            self._changed.notify()

    def _deliver_all(self) -> None:
        while (notification := self._next()) is not None:
            for target in self._targets:
                self._deliver(target, notification)

    def _next(self) -> dict[str, Any] | None:
        """Wait for the next notification that is due; None at the end."""
        with self._changed:
            while True:
                if self._last is not None:
                    notification, self._last = self._last, None
                    return notification
                if self._closing:
                    return None
                left = self._sent_best + BEST_SECONDS - time.monotonic()
                if self._best is not None and left <= 0:
                    notification, self._best = self._best, None
                    self._sent_best = time.monotonic()
                    return notification
                self._changed.wait(left if self._best is not None else None)

    def _deliver(self, target: str, notification: dict[str, Any]) -> None:
        try:
            self._send(target, notification)
        except Exception as error:  # nothing of a target's may end the sweep
            reason = str(error) if isinstance(error, NotDelivered) else type(error).__name__
            number = self._targets.index(target) + 1
            log = logger.info if target in self._failed else logger.warning
            log("target %d of --notify did not take the event %s: %s", number, notification["event"], reason)
            self._failed.add(target)
