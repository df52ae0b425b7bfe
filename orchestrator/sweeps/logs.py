"""Logs of a sweep and of its runs: found in its folder or its storage, printed, followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace, running
from orchestrator.core.training_files import EARLIER_LOG, LOG
from orchestrator.core.url_passwords import without_passwords
from orchestrator.execution.job import KEY_PREFIX, job_key, parse_key
from orchestrator.sweeps.log_follower import LogFollower

POLL_SECONDS, CHECK_SECONDS, FETCH_SECONDS = 0.5, 3.0, 5.0
"""Seconds between looks at a file, at whether a run has ended, and at a storage outside the sweep's folder."""


def print_log(workspace: Workspace, run: str | None, lines: int | None, follow: bool, out: TextIO) -> None:
    """Print the log of a run, or that of the whole sweep, without passwords of addresses.

    Args:
        workspace: folder of the sweep.
        run: `trial-0003`, or `3` for it; None for the sweep's own log.
        lines: number of last lines; None for all.
        follow: print what is added until the run ends or the sweep does.
        out: stream to print on.

    Raises:
        InputError: the run is unknown, or it has no log.
    """
    key = find_run(workspace, run) if run else None
    with _log_files(workspace, key) as (path, refresh):
        follower = LogFollower(path)
        text = follower.read(final=not follow)
        if not text and not (follow and not _ended(workspace, key)):
            text = _error(workspace, key)
        kept = text.splitlines(keepends=True)
        _write(out, "".join(kept if lines is None else kept[max(0, len(kept) - lines) :]))
        checked = -CHECK_SECONDS
        while follow:
            ended = False
            if time.monotonic() - checked >= CHECK_SECONDS:
                ended, checked = _ended(workspace, key), time.monotonic()
            refresh()
            _write(out, follower.read(final=ended))  # after the end was read, so that nothing is missing
            if ended:
                return
            time.sleep(POLL_SECONDS)


def find_run(workspace: Workspace, run: str) -> str:
    """Return the key of a run; raise InputError with near matches if the sweep has none of that name."""
    known = list(_trials(workspace))
    known += [path.name for path in workspace.trials.glob("*-[0-9]*") if path.is_dir() and path.name not in known]
    wanted = parse_key(run) or run.strip()
    if wanted in known:
        return wanted
    if not known:
        raise InputError(f"The sweep {workspace.name} has no run yet.")
    raise InputError(unknown_name_message(f"run of {workspace.name}", wanted, known))


@contextmanager
def _log_files(workspace: Workspace, key: str | None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Yield a log, and a function that brings it and its rotated part up to date."""
    if key is None:
        yield workspace.log, lambda: None
        return
    folder = workspace.trials / key
    if not load_spec(workspace.spec).storage_path:
        yield folder / LOG, lambda: None
        return
    with TemporaryDirectory(prefix="logs-") as scratch:
        copy = Path(scratch)
        refresh = _fetcher(workspace, key, copy)
        refresh()
        place = copy if (copy / LOG).is_file() else folder
        yield place / LOG, refresh


def _fetcher(workspace: Workspace, key: str, folder: Path) -> Callable[[], None]:
    """Return a function that copies a run's log from the sweep's storage, at most every few seconds."""
    from orchestrator.execution.open_trial_store import open_trial_store

    store = open_trial_store(load_spec(workspace.spec), workspace)
    fetched = -FETCH_SECONDS

    def fetch() -> None:
        nonlocal fetched
        if time.monotonic() - fetched >= FETCH_SECONDS:
            with suppress(OSError):  # the sweep's folder may have a copy
                store.fetch(key, folder, lambda name: name in {LOG, EARLIER_LOG})
            fetched = time.monotonic()

    return fetch


def _ended(workspace: Workspace, key: str | None) -> bool:
    """Return whether nothing is added any more: the sweep does not run, or the run has an outcome."""
    if running(workspace) is None:
        return True
    return key is not None and _trials(workspace).get(key, (False, None))[0]


def _error(workspace: Workspace, key: str | None) -> str:
    """Return the error in the ledger of a run whose worker wrote no log.

    Raises:
        InputError: there is none.
    """
    error = _trials(workspace).get(key, (False, None))[1] if key else None
    if not error:
        raise InputError(f"There is no log of {key or workspace.name}: it wrote none, or its files are gone.")
    return f"{error.rstrip()}\n"


def _trials(workspace: Workspace) -> dict[str, tuple[bool, str | None]]:
    """Return for each run of the ledger whether it has ended, and its error."""
    from orchestrator.search.read_ledger import read_studies

    studies = read_studies(workspace)
    return {
        job_key(study, trial.number): (trial.outcome is not None, trial.attributes.get("error"))
        for study in KEY_PREFIX
        for trial in studies.get(study, [])
    }


def _write(out: TextIO, text: str) -> None:
    if text:
        out.write(without_passwords(text))
        out.flush()
