"""Parts of the command lines of promote, rollback and compare: connection, confirmation, silent libraries."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.core.errors import InputError, reason
from orchestrator.core.url_passwords import without_passwords
from orchestrator.tracking.destination import resolve_existing_tracking_uri
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

_ALIAS_LENGTH = 100
_ALIAS = re.compile(rf"[\w-]{{1,{_ALIAS_LENGTH}}}")
_RESERVED = re.compile(r"[vV]\d+")


def connect(tracking_uri: str | None) -> MlflowClient:
    """Return MLflow's client after one successful request.

    Raises:
        InputError: MLflow does not answer.
    """
    import os

    # The defaults of MLflow's client retry for minutes, which is too long for a command line.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    uri = resolve_existing_tracking_uri(tracking_uri)
    client = MlflowClient(tracking_uri=uri)
    if registry := os.environ.get("MLFLOW_REGISTRY_URI"):
        print(f"Registry of models: {without_passwords(registry)} (MLFLOW_REGISTRY_URI).", file=sys.stderr)
    try:
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise InputError(f"MLflow at {uri} does not answer: {reason(error)}") from error
    return client


def check_alias(alias: str) -> None:
    """Check the name of an alias before the gates run, since MLflow refuses it only when it is moved.

    Raises:
        InputError: MLflow does not allow the name, or reserves it.
    """
    if not _ALIAS.fullmatch(alias):
        raise InputError(
            f"--alias {alias!r} is not a name that MLflow allows: letters, digits, - and _, {_ALIAS_LENGTH} at most."
        )
    if alias.lower() == "latest" or _RESERVED.fullmatch(alias):
        raise InputError(f"--alias {alias} is a name that MLflow reserves: choose another, such as challenger.")


def question(answered: bool) -> Callable[[str], bool]:
    """Return a function that asks for confirmation on the terminal, or that returns True if `--yes` was given.

    Raises:
        InputError: standard input is not a terminal, and `--yes` was not given.
    """
    if answered:
        return lambda text: True
    if not sys.stdin.isatty():
        raise InputError("Standard input is not a terminal, so nobody can confirm: give --yes, or --dry-run to look.")
    return lambda text: input(f"{text} [y/N] ").strip().lower() in {"y", "yes"}


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Suppress warnings and log messages of libraries, which would interrupt the output."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
