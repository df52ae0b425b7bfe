"""Libraries of the report page, imported ahead of a page and without optional packages that it does not use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PAGE = ("optuna.trial", "orchestrator.reporting.page.write_page", "pandas", "plotly.offline", "plotly.graph_objs")
_PICTURES = ("matplotlib.backends.backend_agg", "matplotlib.figure", "scipy.special")


def load_optuna_plots() -> None:
    """Import Optuna's importances and plots without scikit-learn and pyplot, which take a second and are not used.

    To be called from a process with one thread, since the two cannot be imported by another one meanwhile.
    """
    if "optuna.importance" not in sys.modules:
        with _unavailable("sklearn", "matplotlib.pyplot"):
            importlib.import_module("optuna.importance")
            importlib.import_module("optuna.visualization")


def load_libraries() -> None:
    """Import everything that the last page and the pictures need."""
    load_optuna_plots()
    for name in (*_PAGE, *_PICTURES):
        importlib.import_module(name)


@contextmanager
def _unavailable(*names: str) -> Iterator[None]:
    """Let imports of packages fail inside the context unless they are imported already."""
    blocked = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]  # Python's way to block an import
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]
