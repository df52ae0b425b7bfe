"""Moving an alias against a real MLflow server on SQLite, alone and against others."""

import signal
import subprocess
import sys
import threading
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from orchestrator.registry.promotion import alias
from orchestrator.registry.promotion.alias import AliasMoved, move_alias, read_history
from orchestrator.registry.promotion.alias_history import Move
from orchestrator.registry.promotion.model_version import alias_version
from tests.tracking.tracked import Server

pytestmark = pytest.mark.timeout(900)

RACER = """
import sys, time
from mlflow import MlflowClient
from orchestrator.registry.promotion.alias_history import Move
from orchestrator.registry.promotion.alias import AliasMoved, move_alias
uri, name, of, to, start = sys.argv[1:]
client = MlflowClient(uri)
client.get_registered_model(name)
print("ready", flush=True)
sys.stdin.readline()
try:
    move_alias(client, name, "champion", Move("promote", int(of), int(to), f"racer {to}"))
    print("won")
except AliasMoved as error:
    print("lost:", error)
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


def locks(client):
    return [model.name for model in client.search_registered_models() if model.name.endswith("-moving")]


def test_a_move_is_done_and_noted(client, name):
    move_alias(client, name, "champion", Move("promote", 1, 2, "better"))
    assert champion(client, name) == 2 and locks(client) == []
    first, second = read_history(client, name, "champion").moves
    assert (first.from_version, first.to, second.from_version, second.to, second.why) == (None, 1, 1, 2, "better")
    assert second.who and second.when.endswith("Z")


def test_what_was_judged_against_another_champion_is_refused(client, name):
    move_alias(client, name, "champion", Move("promote", 1, 2, "quicker"))
    with pytest.raises(AliasMoved, match=r"was version 1 when .* is version 2 now \(moved by .*: quicker\)"):
        move_alias(client, name, "champion", Move("promote", 1, 3, "slower"))
    assert champion(client, name) == 2 and len(read_history(client, name, "champion").moves) == 2


def test_aliases_have_histories_of_their_own(client, name):
    move_alias(client, name, "challenger", Move("promote", None, 3, "promising"))
    assert champion(client, name) == 1 and len(read_history(client, name, "challenger").moves) == 1


def test_of_processes_at_once_one_wins_and_the_others_are_told(server, client, name):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, server, name, "1", str(to), "now"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for to in (2, 3, 4)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = {to: racer.communicate(timeout=120)[0] for to, racer in zip((2, 3, 4), racers, strict=True)}
    (winner,) = [to for to, words in told.items() if words == "won\n"]
    assert champion(client, name) == winner
    assert all(f"racer {winner}" in words for to, words in told.items() if to != winner)
    assert [move.to for move in read_history(client, name, "champion").moves] == [1, winner]
    assert locks(client) == []


def test_one_that_was_let_go_of_while_mlflow_looked_at_it_is_tried_again(client, name, monkeypatch):
    create, refused = MlflowClient.create_registered_model, []

    def create_once_refused(self, lock, **given):
        if not refused:
            refused.append(lock)
            raise MlflowException(f"Registered Model with name={lock} not found", RESOURCE_DOES_NOT_EXIST)
        return create(self, lock, **given)

    monkeypatch.setattr(MlflowClient, "create_registered_model", create_once_refused)
    move_alias(client, name, "champion", Move("promote", 1, 2, "it"))
    assert refused == [f"{name}-champion-moving"] and champion(client, name) == 2


def test_between_looking_and_moving_nobody_else_moves(client, name, monkeypatch):
    """One stops in the middle; the other waits for it, and is told."""
    entered, go_on = threading.Event(), threading.Event()
    read, answers = alias.read_history, []

    def slow(*args):
        if threading.current_thread().name == "slow":
            entered.set()
            assert go_on.wait(60)
        return read(*args)

    monkeypatch.setattr(alias, "read_history", slow)

    def attempt(to):
        try:
            move_alias(client, name, "champion", Move("promote", 1, to, "it"))
            answers.append(to)
        except AliasMoved:
            answers.append(-to)

    one = threading.Thread(target=attempt, args=(2,), name="slow")
    other = threading.Thread(target=attempt, args=(3,))
    one.start()
    assert entered.wait(60)
    other.start()
    other.join(1)
    assert other.is_alive() and answers == [] and champion(client, name) == 1
    go_on.set()
    one.join(60), other.join(60)
    assert answers == [2, -3] and champion(client, name) == 2


def test_who_died_while_moving_is_waited_for_and_then_passed_over(client, name):
    client.create_registered_model(f"{name}-champion-moving", tags={"token": "dead"})
    move_alias(client, name, "champion", Move("promote", 1, 2, "after it"), patience=1.0)
    assert champion(client, name) == 2 and locks(client) == []


def test_who_was_taken_for_dead_moves_nothing(client, name, monkeypatch):
    read = alias.read_history

    def loses_its_hold(*args):
        client.delete_registered_model(f"{name}-champion-moving")
        return read(*args)

    monkeypatch.setattr(alias, "read_history", loses_its_hold)
    with pytest.raises(AliasMoved, match="too slow"):
        move_alias(client, name, "champion", Move("promote", 1, 2, "late"))
    assert champion(client, name) == 1
