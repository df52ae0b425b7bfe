"""Use of a host, with a made NVIDIA library, since the tests have no GPU."""

import sys
from types import SimpleNamespace

import psutil
import pytest

from orchestrator.execution.machine_usage import MachineMonitor
from orchestrator.execution.progress_snapshot import GpuUsage


@pytest.fixture
def nvidia(monkeypatch):
    """The module `pynvml` on a host with two GPUs."""
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetMemoryInfo=lambda gpu: SimpleNamespace(used=gpu * 10, total=80),
        nvmlDeviceGetUtilizationRates=lambda gpu: SimpleNamespace(gpu=50 + gpu),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def test_processors_memory_and_gpus_are_measured(nvidia):
    usage = MachineMonitor().usage()
    assert usage is not None and 0 <= usage.cpu <= 1 and 0 < usage.memory <= usage.memory_total
    assert usage.gpus == (GpuUsage(0.5, 0, 80), GpuUsage(0.51, 10, 80))


def test_a_host_without_nvidia_driver_has_no_gpu(nvidia):
    def fail():
        raise OSError("no driver")

    nvidia.nvmlInit = fail
    usage = MachineMonitor().usage()
    assert usage is not None and usage.gpus == () and usage.memory_total > 0


def test_a_measurement_that_fails_is_unknown(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: 1 / 0)
    assert MachineMonitor().usage() is None


def test_it_is_measured_once_a_second(monkeypatch):
    now, asked = [0.0], []
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: asked.append(now[0]) or 5.0)
    monitor = MachineMonitor(clock=lambda: now[0])
    for now[0] in (0.0, 0.25, 0.5, 1.0, 1.75, 2.0):
        monitor.usage()
    assert asked == [0.0, 1.0, 2.0]
