"""What a document shows people to type, for the tests that type it."""

import os
import re
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def shown_commands(document: Path) -> list[str]:
    """Every line with a command of this project, with those that it goes on in, without comments."""
    lines = document.read_text().replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.startswith("python -m orchestrator.")]


def shown_script(document: Path) -> str:
    """The blocks marked `bash`, in their order, as one script; blocks marked otherwise are not of it."""
    return "\n".join(re.findall(r"^```bash\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL))


def shown_environment(**more: str) -> dict[str, str]:
    """Where `python` and `mlflow` are the tests' own, and no MLflow is chosen but in `more`."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}
