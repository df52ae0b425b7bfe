"""Command line of every command: exit codes, errors in one sentence, help in panels with examples."""

from __future__ import annotations

import errno
import gc
import inspect
import logging
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from orchestrator.core.errors import InputError, printable, reason
from orchestrator.core.names_for_help import fill_in_names
from orchestrator.core.option_metadata import OUTPUT_PANEL, names
from orchestrator.core.output_streams import lasting_output
from orchestrator.core.process_environment import prepare_environment
from orchestrator.core.require_utf8_paths import require_utf8_paths

__all__ = ["DONE", "FAILED", "INTERRUPTED", "WRONG_INPUT", "command", "commands", "examples", "names"]

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
"""Errors of a folder or a file that this user cannot read or write."""

_GARBAGE_THRESHOLD = 50_000
_EXAMPLES = "__examples__"
_WRONG_PATHS = {errno.ENAMETOOLONG, errno.ENOTDIR}
_REPORT = "This is an error of hyperassess: please report it with the traceback that --debug prints."
CONTEXT = "context"
"""Name of the parameter that takes Typer's context."""

Function = TypeVar("Function", bound=Callable[..., None])


def command(function: Callable[..., None]) -> typer.Typer:
    """Make a command of a function. Exit codes are 0 done, 1 failed, 2 wrong input and 130 interrupted."""
    return commands(function)


def commands(
    *functions: Callable[..., None],
    about: str | None = None,
    group: type[CommandGroup] | None = None,
    shown: Iterable[str] = (),
) -> typer.Typer:
    """Make one command of several functions, each a subcommand by its own name, with the same exit codes.

    Args:
        functions: a trailing underscore, which avoids a name of Python, is not part of the subcommand's name.
        about: help of the whole command.
        group: chooses the subcommand; the first argument names it if not given.
        shown: examples below the help of the whole command.
    """
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        cls=group or CommandGroup,
        help=about,
        epilog=_epilog(shown),
    )
    for function in functions:
        name = function.__name__.removesuffix("_")
        epilog = _epilog(getattr(function, _EXAMPLES, ()))
        app.command(name, cls=_Command, help=function.__doc__, epilog=epilog)(_guard(function))
    return app


def examples(*lines: str) -> Callable[[Function], Function]:
    """Show command lines as examples at the end of the decorated command's `--help`."""

    def decorate(function: Function) -> Function:
        setattr(function, _EXAMPLES, lines)
        return function

    return decorate


class _LastingOutput:
    """A command whose output no reader and no locale can break."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run a command line."""
        require_utf8_paths()
        with lasting_output():
            return super().main(*arguments, **options)  # type: ignore[misc]


class CommandGroup(_LastingOutput, TyperGroup):
    """A group of commands."""


class _Command(_LastingOutput, TyperCommand):
    """A command whose help lists the names of the registries and keeps `--help` next to the output's options."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`, in the panel of the other options of output."""
        if option := super().get_help_option(ctx):
            option.rich_help_panel = OUTPUT_PANEL
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help: names of the registries filled in, the output's panel last, no `--no-…` of switches."""
        for parameter in self.params:
            if text := getattr(parameter, "help", None):
                parameter.help = fill_in_names(text)  # type: ignore[attr-defined]
            if parameter.default is False:
                parameter.secondary_opts = []
        self.params.sort(key=lambda parameter: getattr(parameter, "rich_help_panel", None) == OUTPUT_PANEL)
        super().format_help(ctx, formatter)


def _epilog(lines: Iterable[str]) -> str | None:
    return "\n\n".join(["Examples:", *lines]) if lines else None


def _guard(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a function so that errors become sentences and exit codes."""
    signature = inspect.signature(function, eval_str=True)

    @wraps(function)
    def guarded(**options: Any) -> None:
        collect_garbage_rarely()
        prepare_environment()
        logging.captureWarnings(True)  # of libraries: into the log if there is one, never onto the screen
        context: typer.Context = options.pop(CONTEXT)
        arguments = _without_environment(context, options)
        try:
            function(**arguments, **({CONTEXT: context} if CONTEXT in signature.parameters else {}))
        except (InputError, KeyboardInterrupt, Exception) as error:
            if options.get("debug") and not isinstance(error, typer.Exit):
                raise
            code = _explain(error)
            if code == INTERRUPTED:
                _clear_unhandled_interrupt()
            raise typer.Exit(code) from None

    return with_parameters(guarded, signature, signature.parameters.values())


def collect_garbage_rarely() -> None:
    """Let Python look for cycles of objects every 50,000 objects rather than 700.

    Imports make hundreds of thousands of objects that stay: searching them takes a sixth of a command's start.
    """
    gc.set_threshold(_GARBAGE_THRESHOLD)


def with_parameters(
    function: Callable[..., None], signature: inspect.Signature, parameters: Iterable[inspect.Parameter]
) -> Callable[..., None]:
    """Return the function with other parameters for Typer, which reads signature and annotations, and a context."""
    context = inspect.Parameter(CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    by_name = {parameter.name: parameter for parameter in [*parameters, context]}
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in by_name.values()]
    function.__signature__ = signature.replace(parameters=keyword_only)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword_only}
    return function


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether an option was typed, rather than taken from its default or an environment variable."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _without_environment(context: typer.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Replace values from environment variables by None.

    Options name their variable so that `--help` shows it. `find_setting` reads it, since it also knows the profile
    and reports the source.
    """
    sources = {name: context.get_parameter_source(name) for name in options}
    return {
        name: None if (source := sources[name]) is not None and source.name == "ENVIRONMENT" else value
        for name, value in options.items()
    }


def _clear_unhandled_interrupt() -> None:
    """Let the process end with exit code 130 although a KeyboardInterrupt passed through it.

    If a KeyboardInterrupt passes through code that a library evaluates from a string (`dataclass` and `namedtuple` do,
    at import), CPython notes it as unhandled. It then kills itself by SIGINT at its end, whatever handles the
    interrupt later. Evaluating any other string clears that note.
    """
    eval("None")


def _explain(error: BaseException) -> int:
    """Print an error as one sentence and return the exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, InputError):
        print(f"Error: {printable(str(error))}", file=sys.stderr)
        return WRONG_INPUT
    if isinstance(error, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno in _DENIED and error.filename:
        print(
            f"Error: {printable(str(error.filename))} cannot be used: {reason(error)}. Choose another place.",
            file=sys.stderr,
        )
        return WRONG_INPUT
    if isinstance(error, OSError) and error.errno in _WRONG_PATHS:
        print(f"Error: {printable(str(error.filename))} cannot be used as a path: {reason(error)}.", file=sys.stderr)
        return WRONG_INPUT
    print(f"Failed: {type(error).__name__}: {printable(str(error))}\n{_REPORT}", file=sys.stderr)
    return FAILED
