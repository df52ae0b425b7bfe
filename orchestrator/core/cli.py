"""The door of every command: exit codes, and errors in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator.core.errors import InputError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def command(function: Callable[..., None]) -> Callable[[], None]:
    """Makes a command of a function: 0 done, 1 failed, 2 wrong input, 130 interrupted; `debug` shows tracebacks."""
    return commands(function)


def commands(*functions: Callable[..., None], group: type[TyperGroup] | None = None) -> Callable[[], None]:
    """Makes one command of several functions, each a subcommand by its own name, with the same exit codes.

    Args:
        functions: a trailing underscore, where Python has a thing of that name, is not part of the name.
        group: decides which of them is meant; the first argument names it if not given.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, cls=group)
    for function in functions:
        app.command(function.__name__.removesuffix("_"), help=function.__doc__)(_guard(function))
    return app


def _guard(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def guarded(*args: Any, **options: Any) -> None:
        # Threads that spin while they wait make each other many times slower on cores that are shared. Workers
        # inherit it; it has to be set before torch is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            function(*args, **options)
        except (InputError, KeyboardInterrupt, Exception) as error:
            if options.get("debug") and not isinstance(error, typer.Exit):
                raise
            code = _explain(error)
            if code == INTERRUPTED:
                _forget_interrupt()
            raise typer.Exit(code) from None

    return guarded


def names(given: str | None) -> tuple[str, ...] | None:
    """The names of an option that takes several, separated by commas; None where it was not given."""
    return tuple(name.strip() for name in given.split(",") if name.strip()) if given else None


def _forget_interrupt() -> None:
    """Lets the process end with our code although a KeyboardInterrupt passed through it.

    Where one passes through code that a library evaluates from a string (`dataclass` and `namedtuple` do, at import),
    CPython notes it as unhandled and, whatever handles it later, kills itself by SIGINT at its end. Evaluating any
    other string clears that note.
    """
    eval("None")


def _explain(error: BaseException) -> int:
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, InputError):
        print(f"Error: {error}", file=sys.stderr)
        return WRONG_INPUT
    if isinstance(error, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    print(f"Failed: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
    return FAILED
