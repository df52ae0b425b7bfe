"""Script of docs/walkthrough.md, run against a real MLflow server: on PostgreSQL, or on SQLite if that is missing."""

import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from orchestrator.registry.promotion.alias import read_history
from tests.postgres import find_binaries
from tests.shown import shown_environment, shown_script
from tests.tracking.tracked import Server

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SCRIPT = shown_script(Path(__file__).parents[1] / "docs" / "walkthrough.md")


@dataclass
class Walk:
    """A running script, its folder and its MLflow server."""

    folder: Path
    server: Server
    process: subprocess.Popen

    @property
    def output(self):
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def wait(self):
        assert self.process.wait(840) == 0, self.output[-4000:]


@contextmanager
def started(folder, script, database=None):
    """Start a server and the script; both end with the context."""
    folder.mkdir()
    server = Server(folder, database).start()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=shown_environment(MLFLOW_TRACKING_URI=server.uri),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Walk(folder, server, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        server.kill(signal.SIGTERM)


def check(walk):
    """Check the steps of the alias, the registry's versions and the scores."""
    steps = [
        "text_hyper@champion is version 1 now; before it was no version.",
        "Not shown: ",
        "Chosen by validation SRCC over the 2 splits that all have: better ",
        "text_hyper@champion is version 2 now; before it was version 1.",
        "Not shown: ",
        "text_hyper@champion is version 1 again; before it was version 2.",
    ]
    places, after = [], 0
    for step in steps:
        places.append(walk.output.find(step, after))
        after = max(places)
    assert -1 not in places, (places, walk.output)
    assert "Refused" not in walk.output and "--force" not in SCRIPT
    assert "Traceback" not in walk.output

    client = MlflowClient(walk.server.uri)
    assert client.get_model_version_by_alias("text_hyper", "champion").version == "1"
    moves = read_history(client, "text_hyper", "champion").moves
    assert [(move.kind, move.from_version, move.to, move.forced) for move in moves] == [
        ("promote", None, 1, False),
        ("promote", 1, 2, False),
        ("rollback", 2, 1, False),
    ]
    first, second = (client.get_model_version("text_hyper", number) for number in ("1", "2"))
    assert (first.tags["sweep"], second.tags["sweep"]) == ("first", "better")
    for version in (first, second):
        assert version.tags["verdict"] == "passed" and "better than plain_head" in version.tags["claims_not_shown"]
        assert "### Claims" in version.description
    assert first.description.startswith("Test SRCC 0.") and "same data and test set as version 1" in second.description
    scores = pd.read_csv(walk.folder / "scores.csv")
    assert set(scores["image"]) == {"circle.png", "square.png"}
    assert scores["alignment"].between(-5, 10).all() and scores["alignment"].nunique() == 2


def test_script_ends_with_the_first_champion(tmp_path, request):
    database = None
    if find_binaries() or os.environ.get("CI") == "true":
        url = request.getfixturevalue("postgres").create_database()
        database = url.replace("postgresql://", "postgresql+psycopg://")
    with started(tmp_path / "walk", SCRIPT, database) as walk:
        walk.wait()
        check(walk)
