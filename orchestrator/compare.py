"""`python -m orchestrator.compare A B`: compare two models on the same test images."""

from __future__ import annotations

import json as json_format
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, SWEEPS, Debug, Json, Out, Plugin, TrackingUri

_MODEL = "text_hyper@champion, text_hyper/3, SWEEP/confirm-0003, or an MLflow run id."


@command
@examples(
    "python -m orchestrator.compare text_hyper@champion SWEEP/confirm-0003",
    "python -m orchestrator.compare text_hyper/3 text_hyper/4 --figure scatter.png",
)
def compare(
    first: Annotated[str, typer.Argument(help=_MODEL)],
    second: Annotated[str, typer.Argument(help="Model to compare it with, named in the same way.")],
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Confidence of the intervals.", rich_help_panel=OUTPUT_PANEL)
    ] = 0.95,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="PNG file of the scatter.", rich_help_panel=OUTPUT_PANEL, show_default="in the folder of the sweeps"
        ),
    ] = None,
    plugin: Plugin = None,
    tracking_uri: TrackingUri = None,
    out: Out = SWEEPS,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two models on the same test images: figures with intervals, a scatter, the images that differ most."""
    import re
    import sys
    from tempfile import TemporaryDirectory

    from orchestrator.core.console import make_console
    from orchestrator.core.errors import InputError, reason
    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.promotion.command_helpers import connect, silence_libraries
    from orchestrator.registry.promotion.compare import compare as compare_models
    from orchestrator.registry.promotion.compared_model import find_compared
    from orchestrator.registry.promotion.prediction_scatter import draw_comparison

    load_plugins(plugin or ())
    with TemporaryDirectory(prefix="compare-") as scratch, silence_libraries():
        client = connect(tracking_uri)
        one, other = (find_compared(client, name, out, Path(scratch)) for name in (first, second))
        found = compare_models(one, other, confidence)
        name = re.sub(r"[^A-Za-z0-9._@-]+", "-", f"compare-{first}-{second}")
        path = figure or out / f"{name}.png"
        try:
            draw_comparison(found, path)
        except (OSError, ValueError) as error:  # ValueError: the file name ends in no image format
            raise InputError(f"--figure {path} cannot be written: {reason(error)}.") from error
    if json:
        print(json_format.dumps(_plain({**found.as_dict(), "figure": str(path)}), allow_nan=False))
        return
    console = make_console(sys.stdout)
    found.show(console)
    console.print(f"\nScatter  {path}", highlight=False, markup=False, soft_wrap=True)


def _plain(value: Any) -> Any:
    """Replace NaN, the score of an image that a model did not score, by null, as JSON requires."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


if __name__ == "__main__":
    compare()
