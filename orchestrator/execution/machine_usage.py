"""Use of this host's processors, memory and NVIDIA GPUs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from orchestrator.execution.progress_snapshot import GpuUsage, MachineUsage

logger = logging.getLogger(__name__)

_MAX_AGE = 1.0
"""Seconds for which a measurement is returned again."""


class MachineMonitor:
    """Measure the use of this host at most once a second; without an NVIDIA driver it reports no GPU.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: float | None = None
        self._usage: MachineUsage | None = None
        self._gpus: list[Any] | None = None

    def usage(self) -> MachineUsage | None:
        """Return the latest measurement; None if the system reports nothing."""
        now = self._clock()
        if self._at is None or now - self._at >= _MAX_AGE:
            self._at = now
            try:
                self._usage = self._measure()
            except Exception as error:  # drivers and containers fail in many ways; the sweep must not
                logger.debug("the use of this host is unknown: %s", error)
                self._usage = None
        return self._usage

    def _measure(self) -> MachineUsage:
        import psutil

        memory = psutil.virtual_memory()
        cpu = psutil.cpu_percent(interval=None) / 100
        return MachineUsage(cpu, memory.total - memory.available, memory.total, self._measure_gpus())

    def _measure_gpus(self) -> tuple[GpuUsage, ...]:
        if self._gpus is None:
            self._gpus = []
            with suppress(Exception):  # no NVIDIA driver
                import pynvml

                pynvml.nvmlInit()
                self._gpus = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_measure_gpu(gpu) for gpu in self._gpus)


def _measure_gpu(gpu: Any) -> GpuUsage:
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
    return GpuUsage(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100, int(memory.used), int(memory.total))
