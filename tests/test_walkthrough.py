"""docs/walkthrough.md as it stands, end to end, against real MLflow servers: on SQLite, and on PostgreSQL."""

import os
import re
import signal
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from orchestrator.registry.promotion.alias import read_history
from tests.postgres import find_binaries
from tests.shown import shown_environment, shown_script
from tests.tracking.tracked import Server

pytestmark = pytest.mark.long

SCRIPT = shown_script(Path(__file__).parents[1] / "docs" / "walkthrough.md")
SWEEP = re.compile(r"^python -m orchestrator\.sweep .*--name (\w+).*$", re.MULTILINE)


@dataclass
class Story:
    """The script while it runs in a folder of its own, and the server that it talks to."""

    folder: Path
    server: Server
    process: subprocess.Popen

    @property
    def said(self):
        return (self.folder / "said").read_text()

    def end(self):
        assert self.process.wait(540) == 0, self.said[-4000:]


@contextmanager
def told(folder, script, database=None):
    """Server and script end with the context."""
    folder.mkdir()
    server = Server(folder, database).start()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=shown_environment(MLFLOW_TRACKING_URI=server.uri),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield Story(folder, server, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        server.kill(signal.SIGTERM)


def sweeps_of(first):
    """The script with every sweep copied, once it has ended in the first story, and sent to the other MLflow."""

    def copied(match):
        name = match[1]
        ended = f"until grep -q '^{name}/confirm-' '{first}/said'; do sleep 0.2; done"
        send = f'python -m orchestrator.sync {name} --tracking-uri "$MLFLOW_TRACKING_URI"'
        return f"{ended}; mkdir -p sweeps; cp -r '{first}/sweeps/{name}' sweeps/; {send}"

    script, sweeps = SWEEP.subn(copied, SCRIPT)
    assert sweeps == 2
    return script


def check(story):
    """Where the alias was after every step, what the registry kept, and what was scored."""
    steps = [
        "Refused by “beats plain_head”",
        "It is version 1 of text_hyper, without the alias; champion stays on no version.",
        "refused, exit code 1",
        "text_hyper@champion is version 1 now; before it was no version.",
        "text_hyper@champion is version 2 now; before it was version 1.",
        "text_hyper@champion is version 1 again; before it was version 2.",
    ]
    places = [story.said.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), (places, story.said)
    assert "Traceback" not in story.said

    client = MlflowClient(story.server.uri)
    assert client.get_model_version_by_alias("text_hyper", "champion").version == "1"
    moves = read_history(client, "text_hyper", "champion").moves
    assert [(move.kind, move.from_version, move.to, move.forced) for move in moves] == [
        ("promote", None, 1, True),
        ("promote", 1, 2, True),
        ("rollback", 2, 1, False),
    ]
    first, second = (client.get_model_version("text_hyper", number) for number in ("1", "2"))
    assert (first.tags["sweep"], second.tags["sweep"]) == ("first", "better")
    assert first.tags["forced_because"] in SCRIPT and "beats plain_head" in first.tags["refused_by"]
    assert first.description.startswith("Test SRCC 0.") and "same data and test set as version 1" in second.description
    scores = pd.read_csv(story.folder / "scores.csv")
    assert set(scores["image"]) == {"circle.png", "square.png"}
    assert scores["alignment"].between(-5, 10).all() and scores["alignment"].nunique() == 2


@pytest.fixture(scope="module")
def stories(module_folder, request):
    """Side by side: what the first searches the second takes over, so that nothing is trained twice."""
    with ExitStack() as stack:
        found = {"sqlite": stack.enter_context(told(module_folder / "sqlite", SCRIPT))}
        if find_binaries():
            url = request.getfixturevalue("postgres").create_database()
            database = url.replace("postgresql://", "postgresql+psycopg://")
            script = sweeps_of(module_folder / "sqlite")
            found["postgres"] = stack.enter_context(told(module_folder / "postgres", script, database))
        yield found


def test_the_story_on_sqlite(stories):
    stories["sqlite"].end()
    check(stories["sqlite"])


def test_the_story_on_postgresql(stories, postgres):
    stories["sqlite"].end()
    stories["postgres"].end()
    check(stories["postgres"])
