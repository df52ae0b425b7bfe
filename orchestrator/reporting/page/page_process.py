"""The report page of a running sweep, written by a process of its own, which cannot slow down or stop the sweep.

The process is `orchestrator.reporting.page.page_main`. It ends with the driver, in whichever way that ends, because its
standard input does.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from orchestrator.core.sweep_folder import Workspace

logger = logging.getLogger(__name__)

FINISH_SECONDS = 180.0
"""Seconds that a finished sweep waits for its page at most."""

PREPARE = b"\n"
"""Message that asks the process to load the libraries of the last page."""

_KILL_SECONDS = 5.0
"""Seconds to wait for a killed process, which does not end while a file server hangs."""


class PageProcess:
    """Write the report page of a sweep in another process.

    Args:
        workspace: folder of the sweep.
        cores: processors that the sweep uses, of which the pages may take a small share.
    """

    def __init__(self, workspace: Workspace, cores: float) -> None:
        self._workspace = workspace
        self._cores = cores
        self._process: subprocess.Popen[bytes] | None = None
        self._result: bytes | None = None

    @property
    def process_id(self) -> int | None:
        """Id of the process; None before it was started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; a failure is logged, since the sweep needs no page."""
        command = [sys.executable, "-m", "orchestrator.reporting.page.page_main"]
        try:
            self._process = subprocess.Popen(
                [*command, str(self._workspace.root), str(self._cores)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the driver
            )
        except OSError as error:  # for example, no memory for another process
            logger.warning("no process writes the report page: %s", error)

    def prepare_last_page(self) -> None:
        """Ask the process to load what the last page needs, while the sweep's result is computed; return at once."""
        self._send(PREPARE)

    def request_last_page(self, result: Mapping[str, Any]) -> None:
        """Ask for the last page and the pictures of a sweep with this result; return at once."""
        self._result = json.dumps(result).encode() + b"\n"
        if self._process is None or self._process.poll() is not None:
            self.start()
        self._send(self._result)

    def wait(self, timeout: float = FINISH_SECONDS) -> bool:
        """Wait for the last page, requested before; return whether it was written.

        If the process was killed meanwhile, another one writes the page.
        """
        deadline = time.monotonic() + timeout
        code = self._wait_for_exit(deadline)
        if code is not None and code < 0:
            self.start()
            self._send(self._result)
            code = self._wait_for_exit(deadline)
        self.close()
        return code == 0

    def close(self) -> None:
        """End the process at once."""
        process = self._process
        if process is None:
            return
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_SECONDS)
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()

    def _send(self, message: bytes | None) -> None:
        if self._process and self._process.stdin and message:
            with suppress(OSError):  # the process has ended
                self._process.stdin.write(message)
                self._process.stdin.flush()

    def _wait_for_exit(self, deadline: float) -> int | None:
        if self._process is None:
            return None
        try:
            return self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
