"""An alias on a real MLflow server with SQLite, by one process and by two."""

import signal
import subprocess
import sys
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from orchestrator.registry.promotion.alias import AliasMoved, move_alias, read_history
from orchestrator.registry.promotion.alias_history import Move
from orchestrator.registry.promotion.model_version import alias_version
from tests.tracking.tracked import Server

pytestmark = pytest.mark.timeout(900)

MOVE = """
import sys
from mlflow import MlflowClient
from orchestrator.registry.promotion.alias import AliasMoved, move_alias
from orchestrator.registry.promotion.alias_history import Move
uri, name, of, to = sys.argv[1:]
try:
    move_alias(MlflowClient(uri), name, "champion", Move("promote", int(of), int(to), f"to version {to}"))
    print("moved")
except AliasMoved as error:
    print("refused:", error)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("registry")).start()
    yield started.uri
    started.kill(signal.SIGTERM)


@pytest.fixture
def client(server):
    return MlflowClient(server)


@pytest.fixture
def name(client):
    """A registered model with four versions, the alias on the first."""
    made = f"text_hyper_{uuid4().hex[:6]}"
    client.create_registered_model(made)
    run = client.create_run("0")
    for _ in range(4):
        client.create_model_version(made, f"{run.info.artifact_uri}/model", run.info.run_id)
    move_alias(client, made, "champion", Move("promote", None, 1, "the first"))
    return made


def champion(client, name):
    return int(alias_version(client, name, "champion").version)


def test_move_alias_moves_it_and_adds_the_move_to_the_history(client, name):
    move_alias(client, name, "champion", Move("promote", 1, 2, "better"))
    assert champion(client, name) == 2
    first, second = read_history(client, name, "champion").moves
    assert (first.from_version, first.to, second.from_version, second.to, second.why) == (None, 1, 1, 2, "better")
    assert second.who and second.when.endswith("Z")


def test_move_alias_refuses_a_candidate_evaluated_against_another_version(client, name):
    move_alias(client, name, "champion", Move("promote", 1, 2, "quicker"))
    with pytest.raises(AliasMoved, match=r"was on version 1 when .* is on version 2 now \(moved by .*: quicker\)"):
        move_alias(client, name, "champion", Move("promote", 1, 3, "slower"))
    assert champion(client, name) == 2 and len(read_history(client, name, "champion").moves) == 2


def test_move_alias_keeps_one_history_per_alias(client, name):
    move_alias(client, name, "challenger", Move("promote", None, 3, "promising"))
    assert champion(client, name) == 1 and len(read_history(client, name, "challenger").moves) == 1


def test_move_alias_refuses_the_second_process_that_evaluated_against_the_same_version(server, client, name):
    first, second = (
        subprocess.run(
            [sys.executable, "-c", MOVE, server, name, "1", to],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            encoding="utf-8",
        ).stdout
        for to in ("2", "3")
    )
    assert first == "moved\n"
    assert second.startswith(f"refused: {name}@champion was on version 1 when the candidate was evaluated and is on")
    assert "to version 2)" in second and second.count("\n") == 1
    assert champion(client, name) == 2
    assert [move.to for move in read_history(client, name, "champion").moves] == [1, 2]
