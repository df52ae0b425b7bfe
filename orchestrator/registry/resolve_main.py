"""The process that `resolve_process` starts: `python -m orchestrator.registry.resolve_main`.

It reads reference, folder and tracking URI as JSON from standard input. It writes `resolved.json` to the folder: the
model, or the sentence of an error.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.core.cli import collect_garbage_rarely
from orchestrator.core.errors import InputError
from orchestrator.registry.resolve import find_in_mlflow
from orchestrator.registry.resolve_process import RESULT


def main(reference: str, folder: Path, tracking_uri: str | None) -> None:
    """Resolve a reference in MLflow and write the result."""
    try:
        found: dict[str, Any] = {"model": asdict(find_in_mlflow(reference, tracking_uri, folder))}
    except InputError as error:
        found = {"error": str(error)}
    (folder / RESULT).write_text(json.dumps(found, default=str), encoding="utf-8")


if __name__ == "__main__":
    collect_garbage_rarely()
    request = json.load(sys.stdin.buffer)
    main(request["reference"], Path(request["folder"]), request["tracking_uri"])
