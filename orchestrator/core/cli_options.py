"""Options that several commands share, and the options of a sweep's settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import CONTEXT, is_given, with_parameters
from orchestrator.core.option_metadata import OUTPUT_PANEL as OUTPUT_PANEL
from orchestrator.core.option_metadata import SERVICES_PANEL, SettingOption
from orchestrator.core.service_addresses import VARIABLES

MODEL_PANEL = "Model"
DATA_PANEL = "Data"
PLACES_PANEL = "Folders and services"

SWEEPS = Path("sweeps")
"""Default folder of sweeps."""


def flag(help: str, panel: str, *names: str) -> Any:
    """Return a switch that is off unless it is given; its default is not worth a line."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False)


def service(setting: str, help: str, default: str, panel: str = SERVICES_PANEL) -> Any:
    """Return an option for a service that an environment variable or the profile may name.

    Args:
        setting: a key of `VARIABLES`.
        help: one phrase.
        default: shown; used if flag, variable and profile name nothing.
        panel: heading of its group.
    """
    return typer.Option(help=help, rich_help_panel=panel, envvar=VARIABLES[setting], show_default=default)


Sweep = Annotated[str, typer.Argument(help="Name, id or folder of the sweep.")]
Out = Annotated[Path, typer.Option(help="Folder of the sweeps.", rich_help_panel=PLACES_PANEL)]
TrackingUri = Annotated[
    str | None, service("tracking_uri", "MLflow server or database.", "the profile's, or mlflow.db here", PLACES_PANEL)
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the data set, if it has moved.", rich_help_panel=PLACES_PANEL, show_default="as trained"
    ),
]
Plugin = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        help="Python module that registers the model's variant or encoders; repeatable.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Json = Annotated[bool, flag("Print one JSON object.", OUTPUT_PANEL, "--json")]
Debug = Annotated[bool, flag("Show tracebacks.", OUTPUT_PANEL)]


def takes_settings(options: list[SettingOption], defaults: bool = True) -> Callable[..., Callable[..., None]]:
    """Let the decorated function take a sweep's settings as options; it receives those given as `settings`.

    Args:
        options: fields of the spec, each with its option.
        defaults: show each setting's default; else the options belong to `resume`, which keeps what is not given.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)

        @wraps(function)
        def with_settings(context: typer.Context, **values: Any) -> None:
            values[CONTEXT] = context
            given = {
                setting.name: setting.read(values[setting.name])
                for setting in options
                if is_given(context, setting.name)
            }
            others = {name: value for name, value in values.items() if name in signature.parameters}
            function(settings={name: value for name, value in given.items() if value is not None}, **others)

        own = [parameter for name, parameter in signature.parameters.items() if name != "settings"]
        arguments = [parameter for parameter in own if parameter.default is inspect.Parameter.empty]
        rest = [parameter for parameter in own if parameter not in arguments]
        made = [_parameter(setting, defaults) for setting in options]
        return with_parameters(with_settings, signature, [*arguments, *made, *rest])

    return decorate


def _parameter(setting: SettingOption, defaults: bool) -> inspect.Parameter:
    option = setting.option
    replaced = not defaults and option.resume_help is not None
    declared = typer.Option(
        setting.flag,
        help=option.resume_help if replaced else option.help,
        rich_help_panel=option.panel,
        envvar=None if replaced else option.variable,
        show_default=(option.default or True) if defaults else False,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=setting.cli_default if defaults else None,
        annotation=Annotated[setting.cli_type | None, declared],
    )
