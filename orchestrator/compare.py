"""`python -m orchestrator.compare A B`: two models on the same test images."""

from __future__ import annotations

import json as json_format
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import command

_MODEL = "text_hyper@champion, text_hyper/3, SWEEP/confirm-0003, or an MLflow run id."


@command
def compare(
    first: Annotated[str, typer.Argument(help=_MODEL)],
    second: Annotated[str, typer.Argument(help="The same.")],
    figure: Annotated[Path | None, typer.Option(help="PNG for the scatter; else in the folder of sweeps.")] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, else here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Show paired figures with intervals, draw both against the truth, list the images on which they differ most."""
    import re
    import sys
    from tempfile import TemporaryDirectory

    from orchestrator.core.errors import InputError, reason
    from orchestrator.registry.promotion.cli import connect, silence_libraries
    from orchestrator.registry.promotion.compare import compare as compare_models
    from orchestrator.registry.promotion.compare_figure import draw_comparison
    from orchestrator.registry.promotion.compared_model import find_compared
    from orchestrator.sweeps.start import make_console

    with TemporaryDirectory(prefix="compare-") as scratch, silence_libraries():
        client = connect(tracking_uri)
        one, other = (find_compared(client, name, out, Path(scratch)) for name in (first, second))
        found = compare_models(one, other, confidence)
        name = re.sub(r"[^A-Za-z0-9._@-]+", "-", f"compare-{first}-{second}")
        path = figure or out / f"{name}.png"
        try:
            draw_comparison(found, path)
        except (OSError, ValueError) as error:  # the second: an ending that is no kind of image
            raise InputError(f"--figure {path} cannot be written: {reason(error)}.") from error
    if json:
        print(json_format.dumps(_plain({**found.as_dict(), "figure": str(path)}), allow_nan=False))
        return
    console = make_console(sys.stdout)
    found.show(console)
    console.print(f"\nScatter  {path}", highlight=False, markup=False, soft_wrap=True)


def _plain(value: Any) -> Any:
    """As JSON has it: NaN, of an image that a model has no score for, is null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


if __name__ == "__main__":
    compare()
