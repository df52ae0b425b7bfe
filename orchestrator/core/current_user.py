"""Name of the user who runs this process."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    """Return the user of this process; the user's number if the system has no name for it, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
