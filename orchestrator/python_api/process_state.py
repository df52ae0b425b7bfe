"""State of the calling process that a sweep's run changes; restored afterwards, after an error too."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator.sweeps.signals import SIGNALS

Restore = Callable[[], None]


@contextmanager
def preserved_process() -> Iterator[None]:
    """Restore at the end of the block what libraries change in this process.

    That is logging, warnings, signal handlers, environment variables, the working folder, random states, PyTorch's
    number of threads and MLflow's tracking URI. Libraries that the block loads keep their state.
    """
    # MLflow comes before the environment, since it writes its address there.
    saved = (_logging(), _mlflow(), _environment(), _folder(), _signals(), _random_states(), _threads())
    with _warnings():
        try:
            yield
        finally:
            for restore in saved:
                restore()


def _logging() -> Restore:
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values() if _is_logger(one))]
    before = [(one, one.level, list(one.handlers), one.propagate, one.disabled) for one in loggers]  # type: ignore[union-attr]
    disabled = logging.root.manager.disable

    def restore() -> None:
        for handler in logging.getLogger().handlers:
            if handler not in before[0][2]:
                handler.close()
        for one, level, handlers, propagate, off in before:
            one.setLevel(level)  # type: ignore[union-attr]
            one.handlers, one.propagate, one.disabled = handlers, propagate, off  # type: ignore[union-attr]
        logging.disable(disabled)

    return restore


def _is_logger(candidate: Any) -> bool:
    return isinstance(candidate, logging.Logger)


@contextmanager
def _warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        show = warnings.showwarning
        try:
            yield
        finally:
            if warnings.showwarning is not show:
                logging.captureWarnings(False)  # it was off before


def _environment() -> Restore:
    before = dict(os.environ)

    def restore() -> None:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    return restore


def _folder() -> Restore:
    before = os.getcwd()
    return lambda: os.chdir(before) if os.getcwd() != before else None


def _signals() -> Restore:
    main = threading.current_thread() is threading.main_thread()  # no other thread may set handlers
    before = {number: signal.getsignal(number) for number in SIGNALS} if main else {}

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return restore


def _random_states() -> Restore:
    before = random.getstate()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    of_numpy = numpy.random.get_state() if numpy else None
    of_torch = torch.get_rng_state() if torch else None

    def restore() -> None:
        random.setstate(before)
        if numpy:
            numpy.random.set_state(of_numpy)
        if torch:
            torch.set_rng_state(of_torch)

    return restore


def _threads() -> Restore:
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0

    def restore() -> None:
        if torch and torch.get_num_threads() != before:
            torch.set_num_threads(before)

    return restore


def _mlflow() -> Restore:
    def address() -> str | None:
        mlflow = sys.modules.get("mlflow")
        return mlflow.get_tracking_uri() if mlflow and mlflow.is_tracking_uri_set() else None

    before = address()

    def restore() -> None:
        if (mlflow := sys.modules.get("mlflow")) and address() != before:
            mlflow.set_tracking_uri(before)

    return restore
