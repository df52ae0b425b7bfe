"""Name of the user who runs this process, and of the host."""

from __future__ import annotations

import getpass
import os
import socket

from orchestrator.core.errors import printable


def current_user() -> str:
    """Return the user of this process; the user's number if the system has no name for it, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def user_and_host() -> str:
    """Return the user and the host of this process, such as `ada@node7`."""
    return printable(f"{current_user()}@{socket.gethostname()}")
