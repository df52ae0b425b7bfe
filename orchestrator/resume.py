"""`python -m orchestrator.resume`: continue a sweep, or extend its budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import SWEEPS, Debug, flag, takes_settings
from orchestrator.core.option_metadata import OUTPUT_PANEL, SWEEP_PANEL, setting_options
from orchestrator.core.spec import SweepSpec


@command
@examples(
    "python -m orchestrator.resume SWEEP",
    "python -m orchestrator.resume SWEEP --trials 48 --max-hours 2",
)
@takes_settings([setting for setting in setting_options(SweepSpec) if setting.in_resume], defaults=False)
def resume(
    sweep: Annotated[str, typer.Argument(help="Name, id or folder of the sweep.")],
    settings: dict[str, Any],
    out: Annotated[Path, typer.Option(help="Folder of the sweeps.", rich_help_panel=SWEEP_PANEL)] = SWEEPS,
    allow_changed: Annotated[bool, flag("Resume although code, data or space changed.", SWEEP_PANEL)] = False,
    json: Annotated[bool, flag("Print one JSON object at the end.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Resume an unfinished sweep, extend the budget of any, or show the result of a finished one.

    A setting that is not given stays as the sweep has it, except --max-hours.
    """
    from orchestrator.sweeps.start_or_resume import resume_sweep

    trials = settings.pop("trials", None)
    resume_sweep(sweep, out, trials, settings, as_json=json, allow_changed=allow_changed)


if __name__ == "__main__":
    resume()
