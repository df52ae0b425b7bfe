"""Output of a run: what its worker process prints during its steps, in the run's folder and rotated."""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from orchestrator.core.output_capture import flush
from orchestrator.core.training_files import EARLIER_LOG, LOG

MOST_BYTES = 10**6
"""Size from which a log is rotated; a run keeps two files."""

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


_LOGGED = ("train_loss", "val_srcc", "val_plcc", "val_loss")
"""Metrics of an epoch in a run's log."""

logger = logging.getLogger(__name__)


class RunOutput:
    """Capture of one run's output: standard output and error, from Python and native code, warnings and logging.

    Workers run one job after another, so that output belongs to a run only during a step of it. Until the run's folder
    is known, a temporary file holds it.

    Args:
        most_bytes: size from which the log is rotated at the next step.

    Attributes:
        captures: whether output goes to the log now.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._path: Path | None = None
        self.captures = False
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open from step to step

    @contextmanager
    def captured(self) -> Iterator[None]:
        """Send all output of this process to the log inside the context."""
        self._rotate()
        flush(sys.stdout, sys.stderr)
        kept = os.dup(1), os.dup(2)
        streams = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = stream = _LogStream(self._file)
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(_FORMAT))
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(min(level, logging.INFO) or logging.INFO)
        self.captures = True
        self._point_descriptors()
        try:
            yield
        finally:
            self.captures = False
            root.removeHandler(handler)
            root.setLevel(level)
            sys.stdout, sys.stderr = streams
            for descriptor, before in zip((1, 2), kept, strict=True):
                os.dup2(before, descriptor)
                os.close(before)

    def move_to(self, folder: Path) -> None:
        """Continue in the log of a folder, which gets the output so far."""
        with suppress(OSError):  # a run does not need its log
            with (folder / LOG).open("ab", buffering=0) as target:
                self._file.seek(0)
                shutil.copyfileobj(self._file, target)
                # In place, so that the streams that are open write to the new file.
                os.dup2(target.fileno(), self._file.fileno())
            self._path = folder / LOG
            if self.captures:
                self._point_descriptors()

    def close(self, folder: Path | None = None) -> None:
        """Close the log; output of a run that got no folder is added to that of `folder` if it exists."""
        if self._path is None and folder is not None and folder.is_dir() and self._file.seek(0, os.SEEK_END):
            with suppress(OSError), (folder / LOG).open("ab") as target:
                self._file.seek(0)
                shutil.copyfileobj(self._file, target)
        with suppress(OSError):
            self._file.close()

    def _rotate(self) -> None:
        path = self._path
        with suppress(OSError):
            if path is not None and path.stat().st_size > self._most_bytes:
                os.replace(path, path.with_name(EARLIER_LOG))
                with path.open("ab") as target:
                    os.dup2(target.fileno(), self._file.fileno())

    def _point_descriptors(self) -> None:
        for descriptor in (1, 2):
            os.dup2(self._file.fileno(), descriptor)


class _LogStream(io.TextIOBase):
    """Text stream on a log; neither a full disk nor a log that is closed ends a run.

    It keeps the file, not the number of its descriptor, which may be that of another file once the log is closed.
    A library may keep the stream for longer.
    """

    encoding = "utf-8"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text at once."""
        with suppress(OSError, ValueError):  # a closed file raises the latter
            self._file.write(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the log."""
        return self._file.fileno()


def log_message(message: dict[str, Any]) -> None:
    """Log the epochs of a step, or that earlier ones are reported again, and its end."""
    for note in message.get("notes", []):
        logger.warning(note)
    epochs = message["epochs"]
    if len(epochs) > 1:
        logger.info("resumed after epoch %d", epochs[-1]["number"])
    elif epochs and epochs[0]["metrics"]:
        (epoch,) = epochs
        figures = {"val_srcc": epoch["objective"], **epoch["metrics"]}
        shown = ", ".join(f"{name} {figures[name]:.4g}" for name in _LOGGED if name in figures)
        logger.info("epoch %d: %s, %.2f s", epoch["number"], shown, epoch["seconds"])
    if "outcome" in message:
        logger.info("ended: %s", message["outcome"])
