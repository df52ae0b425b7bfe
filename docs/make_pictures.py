"""Draw the README's picture from a finished sweep: `python docs/make_pictures.py SWEEP`."""

import io
import json
import sys
from pathlib import Path

from rich.console import Console

from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import find_sweep
from orchestrator.execution.prepare import prepare
from orchestrator.reporting.summary import summarise
from orchestrator.reporting.tables import print_pointers, print_result
from orchestrator.search.space import load_space
from orchestrator.sweeps.open_studies import open_studies

IMAGES = Path(__file__).parent / "images"


def main(sweep: str) -> None:
    workspace = find_sweep(sweep, Path("sweeps"))
    prepared = prepare(load_spec(workspace.spec), space=load_space(workspace.space))
    studies = open_studies(prepared, workspace)
    console = Console(record=True, width=140, file=io.StringIO(), force_terminal=True)
    console.print("$ make sweep", highlight=False)
    print_result(console, summarise(prepared, studies.arms, studies.confirm, workspace.trials))
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    result["mlflow"]["tracking_uri"] = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    print_pointers(console, workspace, result)
    console.save_svg(str(IMAGES / "terminal.svg"), title="")


if __name__ == "__main__":
    main(sys.argv[1])
