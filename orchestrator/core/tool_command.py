"""Commands of this environment's programs, as a user would type them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def tool_command(name: str) -> str:
    """Return the command of a program of this environment: its name if PATH has it, else its path."""
    program = Path(sys.executable).parent / name
    on_path = shutil.which(name)
    return name if on_path and Path(on_path).parent == program.parent else os.path.relpath(program)
