"""Commands and scripts that a document shows, for the tests that run them."""

import os
import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def shown_commands(document: Path) -> list[str]:
    """Return every command of this project, with its continued lines and without comments."""
    lines = document.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.startswith("python -m orchestrator.")]


def shown_script(document: Path) -> str:
    """Join the blocks marked `bash`, in their order, to one script."""
    return "\n".join(
        re.findall(r"^```bash\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )


def shown_environment(**more: str) -> dict[str, str]:
    """Return variables with the tests' own `python` and `mlflow`, and no MLflow server but that in `more`."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}
