"""Stop of what this host started: exactly those processes and their children, never another cluster of the host."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import psutil

from orchestrator.cluster.process_registry import StartedNode

_PATIENCE = 15.0
"""Seconds for Ray to end by itself, before what is left is ended one by one."""


def stop_processes(record: StartedNode) -> int:
    """Stop this host's node, delete its file, and return how many processes were stopped.

    The process that started the others is signalled first: it stops them in the order that Ray wants.
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
    """Signal processes; psutil does not signal a later process that has a stopped process's number."""
    for process in processes:
        try:
            signal(process)
        except psutil.NoSuchProcess:
            continue
