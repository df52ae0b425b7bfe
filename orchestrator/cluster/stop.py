"""Ending what was started: exactly those processes, and what they started; never another cluster of the host."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import psutil

from orchestrator.cluster.process_registry import StartedNode

_PATIENCE = 15.0
"""Seconds for Ray to end by itself, before what is left is ended one by one."""


def stop_processes(record: StartedNode) -> int:
    """Ends this host's part of a cluster and forgets it; returns how many processes that were.

    The one that started the others is asked first: it ends them in the order that Ray wants.
    """
    running = record.alive()
    root = record.processes[0].alive() if record.processes else None
    if root:
        _signal([root], psutil.Process.terminate)
        psutil.wait_procs([root], timeout=_PATIENCE)
    _, left = psutil.wait_procs(running, timeout=1)
    _signal(left, psutil.Process.terminate)
    _, left = psutil.wait_procs(left, timeout=3)
    _signal(left, psutil.Process.kill)
    psutil.wait_procs(left, timeout=3)
    record.forget()
    if record.made:
        shutil.rmtree(record.folder, ignore_errors=True)
    return len(running)


def _signal(processes: Iterable[psutil.Process], signal: Callable[[psutil.Process], None]) -> None:
    """psutil itself signals no process that merely has the number of the one that is meant."""
    for process in processes:
        try:
            signal(process)
        except psutil.NoSuchProcess:
            continue
