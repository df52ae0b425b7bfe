"""`python -m orchestrator.sweep`: search a variant, confirm the best configurations, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import command, examples, is_given
from orchestrator.core.cli_options import SWEEPS, Debug, flag, takes_settings
from orchestrator.core.option_metadata import OUTPUT_PANEL, SWEEP_PANEL, setting_options
from orchestrator.core.spec import SweepSpec


@command
@examples(
    "python -m orchestrator.sweep --variant text_hyper --dataset csv:ratings.csv",
    "python -m orchestrator.sweep --variant image_hyper --trials 24 --dry-run",
)
@takes_settings(setting_options(SweepSpec))
def sweep(
    context: typer.Context,
    settings: dict[str, Any],
    config: Annotated[
        Path | None, typer.Option(help="YAML file with any of these settings.", rich_help_panel=SWEEP_PANEL)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the sweeps.", rich_help_panel=SWEEP_PANEL)] = SWEEPS,
    allow_changed: Annotated[bool, flag("Resume although code, data or space changed.", SWEEP_PANEL)] = False,
    dry_run: Annotated[bool, flag("Check everything, estimate the time, run nothing.", SWEEP_PANEL)] = False,
    json: Annotated[bool, flag("Print one JSON object at the end.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Search a variant's learning rates and target-net sizes, confirm the best on test, and report."""
    if not any(is_given(context, name) for name in context.params):
        _print_overview()
        return
    from orchestrator.core.spec import build_spec
    from orchestrator.sweeps.start_or_resume import start_or_resume

    start_or_resume(build_spec(settings, config), out, dry_run=dry_run, as_json=json, allow_changed=allow_changed)


def _print_overview() -> None:
    """Print which variants can be searched and how to begin, for a sweep without any option."""
    from orchestrator.core.names_for_help import registered_names

    default = {name: field.default for name, field in SweepSpec.model_fields.items()}
    variants = registered_names("variant")
    width = max(map(len, variants))
    print("A sweep searches the learning rates and target-net sizes of one variant:\n")
    for name, summary in variants.items():
        print(f"  {name:<{width}}  {summary}")
    print(
        f"""
It runs {default["trials"]} trials of the variant and as many of its control, of at most {default["epochs"]} epochs,
then confirms the best {default["confirm"]} configurations on {default["splits"]} splits.

Search on the built-in data set, or check your own first:
  python -m orchestrator.sweep --variant {default["variant"]}
  python -m orchestrator.sweep --variant {default["variant"]} --dataset csv:ratings.csv --dry-run

--help lists every option."""
    )


if __name__ == "__main__":
    sweep()
