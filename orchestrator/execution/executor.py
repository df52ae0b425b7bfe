"""Executor of a sweep's jobs: Ray Tune, or a simulation of it in tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.core.spec import SweepSpec

if TYPE_CHECKING:
    from orchestrator.execution.controller import SweepController
    from orchestrator.execution.sweep_context import SweepContext


class Executor(Protocol):
    """Cluster with a program that runs a controller's jobs on it."""

    def session(self, spec: SweepSpec) -> AbstractContextManager[None]:
        """Connect to the cluster, or start one on this machine, until the context ends."""

    def liveness(self, spec: SweepSpec, lost: Callable[[str], None]) -> AbstractContextManager[object]:
        """Watch the session; `lost` is called from a thread, with a sentence, if the cluster is gone."""

    def nodes(self) -> Sequence[dict[str, Any]]:
        """Return the nodes of the cluster as `ray.nodes()` does."""

    def run_jobs(
        self, controller: SweepController, context: SweepContext, folder: Path, cpus: float, gpus: float
    ) -> None:
        """Run every job of the controller, as `execution.tune_runner.run_jobs`."""
