"""Draw the README's picture from a finished sweep: `python docs/make_pictures.py SWEEP`."""

import io
import sys
from pathlib import Path

from rich.console import Console

from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import find_sweep
from orchestrator.reporting.finished_sweep import print_finished, read_result

IMAGES = Path(__file__).parent / "images"


def main(sweep: str) -> None:
    workspace = find_sweep(sweep, Path("sweeps"))
    spec = load_spec(workspace.spec)
    result = read_result(workspace, spec)
    if result is None:
        sys.exit(f"The sweep {sweep} is not finished.")
    console = Console(record=True, width=140, file=io.StringIO(), force_terminal=True)
    console.print(f"$ make sweep{_arguments(spec)}", highlight=False)
    result["mlflow"]["tracking_uri"] = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    print_finished(console, workspace, spec, result)
    console.save_svg(str(IMAGES / "terminal.svg"), title="")


def _arguments(spec: SweepSpec) -> str:
    """Return the sizes of the sweep that are not the defaults, as `make sweep` takes them."""
    sizes = ("trials", "epochs", "confirm", "splits")
    default = {name: SweepSpec.model_fields[name].default for name in sizes}
    given = [f"--{name} {getattr(spec, name)}" for name in sizes if getattr(spec, name) != default[name]]
    return f' ARGS="{" ".join(given)}"' if given else ""


if __name__ == "__main__":
    main(sys.argv[1])
