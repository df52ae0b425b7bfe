"""Redirection of everything that libraries print, from Python or native code, into a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def redirect_output(log: Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Redirect file descriptors 1 and 2 to `log`; yield streams on their former targets.

    Ray writes from C++ and from child processes, past any Python logger, so the descriptors themselves are
    replaced. They are restored at the end, after an error too.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as file, _stream(kept[0], sys.stdout) as out, _stream(kept[1], sys.stderr) as err:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield out, err
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            out.flush()
            err.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)


def _stream(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(descriptor, "w", buffering=1, encoding=like.encoding, errors=like.errors)
