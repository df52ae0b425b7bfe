"""Environment variables of a process that runs a sweep, which its workers inherit."""

from __future__ import annotations

import os

from orchestrator.core.module_shadowing import keep_order_in_subprocesses
from orchestrator.core.proxies import bypass_proxies_on_loopback


def prepare_environment() -> None:
    """Set the variables that libraries read when they are loaded; values that are set already stay."""
    # Threads that spin while they wait slow each other down on shared cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    keep_order_in_subprocesses()
    bypass_proxies_on_loopback()
