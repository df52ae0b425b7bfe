"""Facts that a run came from: its tags, with the content of its file `provenance.json`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestrator.tracking.provenance import PROVENANCE
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

if TYPE_CHECKING:
    from mlflow.entities import Run

_EARLIER = "version.hyperassess"
"""Tag of a run that was logged before there was the file."""


def run_facts(client: MlflowClient, run: Run) -> dict[str, str]:
    """Return versions, hashes and settings of a run by name, with its tags; all other than texts are JSON.

    Only the tags are returned if the file is missing or cannot be downloaded.
    """
    tags = dict(run.data.tags)
    if _EARLIER in tags:
        return tags
    try:
        with TemporaryDirectory() as scratch:
            path = Path(client.download_artifacts(run.info.run_id, PROVENANCE, scratch))
            content = json.loads(path.read_text(encoding="utf-8"))
    except (MlflowException, OSError, ValueError):
        return tags
    return {**{name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}, **tags}
