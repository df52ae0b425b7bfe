"""Resolution of a model in MLflow by another process, while this one loads PyTorch; each takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.registry.resolved_model import ResolvedModel

RESULT = "resolved.json"
"""File in the scratch folder that the process writes its result to."""


def find_in_process(
    reference: str, tracking_uri: str | None, scratch: Path, meanwhile: Callable[[], object]
) -> ResolvedModel | None:
    """Return the model that another process finds in MLflow; None if that process fails, for whatever reason.

    Args:
        reference: a registered version or the id of a run.
        tracking_uri: URI of MLflow; None for the default.
        scratch: folder for downloads, which the process shares.
        meanwhile: function that this process calls before it waits for the other.

    Raises:
        InputError: the other process raised it.
    """
    command = [sys.executable, "-m", "orchestrator.registry.resolve_main"]
    request = json.dumps({"reference": reference, "folder": str(scratch), "tracking_uri": tracking_uri})
    nothing = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing)
    except OSError:  # for example, no memory for another process
        return None
    try:
        assert process.stdin
        with suppress(OSError), process.stdin:  # not as arguments, which other users see: the URI may have a password
            process.stdin.write(request.encode())
        meanwhile()
        process.wait()
    finally:
        process.kill()
        process.wait()
    try:
        found = json.loads((scratch / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if "error" in found:
        raise InputError(found["error"])
    model = found["model"]
    paths = {key: Path(model[key]) for key in ("folder", "predictions") if model[key]}
    return ResolvedModel(**{**model, **paths})
