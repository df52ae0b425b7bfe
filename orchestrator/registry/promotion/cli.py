"""What the doors of promote, rollback and compare share: MLflow, a question, and quiet libraries."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.core.errors import InputError, reason
from orchestrator.tracking.destination import resolve_tracking_uri
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException

_ALIAS_LENGTH = 100
_ALIAS = re.compile(rf"[\w-]{{1,{_ALIAS_LENGTH}}}")
_RESERVED = re.compile(r"[vV]\d+")


def connect(tracking_uri: str | None) -> MlflowClient:
    """MLflow's client, once it has answered.

    Raises:
        InputError: it does not.
    """
    import os

    # A person waits: MLflow's own patience is minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    uri = resolve_tracking_uri(tracking_uri)
    client = MlflowClient(tracking_uri=uri)
    try:
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise InputError(f"MLflow at {uri} does not answer: {reason(error)}") from error
    return client


def check_alias(alias: str) -> None:
    """Before anything is judged for it: MLflow refuses such an alias only when it is to be moved.

    Raises:
        InputError: it is no name that MLflow takes, or one that it keeps for itself.
    """
    if not _ALIAS.fullmatch(alias):
        raise InputError(
            f"--alias {alias!r} is no name that MLflow takes: letters, digits, - and _, {_ALIAS_LENGTH} at most."
        )
    if alias.lower() == "latest" or _RESERVED.fullmatch(alias):
        raise InputError(f"--alias {alias} is a name that MLflow keeps for itself: choose another, such as challenger.")


def question(answered: bool) -> Callable[[str], bool]:
    """Asks at the keyboard; where nobody sits there, only a yes given beforehand will do.

    Raises:
        InputError: there is neither.
    """
    if answered:
        return lambda text: True
    if not sys.stdin.isatty():
        raise InputError("Nobody can be asked here, standard input is no terminal: give --yes, or --dry-run to look.")
    return lambda text: input(f"{text} [y/N] ").strip().lower() in {"y", "yes"}


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Keeps what libraries have to say from between the lines that people read."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
