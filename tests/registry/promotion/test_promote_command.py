"""What is wrong with a command line is said before MLflow is asked, or anything is judged."""

import pytest
from typer.testing import CliRunner

from orchestrator.promote import promote
from orchestrator.registry.promotion import cli
from orchestrator.rollback import rollback


@pytest.fixture(autouse=True)
def nobody_asks_mlflow(monkeypatch):
    def connect(uri):
        raise AssertionError("MLflow was asked")

    monkeypatch.setattr(cli, "connect", connect)


WHICH = ("--variant", "text_hyper", "--yes")


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        (promote, (*WHICH, "--min-gain", "-0.1"), "--min-gain"),
        (promote, (*WHICH, "--min-gain", "nan"), "--min-gain"),
        (promote, (*WHICH, "--confidence", "nan"), "--confidence"),
        (promote, (*WHICH, "--alias", "no spaces"), "'no spaces' is no name that MLflow takes"),
        (promote, (*WHICH, "--alias", ""), "'' is no name that MLflow takes"),
        (promote, (*WHICH, "--alias", "a" * 101), "100 at most"),
        (promote, (*WHICH, "--alias", "Latest"), "keeps for itself"),
        (promote, (*WHICH, "--history", "--alias", "v3"), "keeps for itself"),
        (rollback, (*WHICH, "--alias", "v3"), "keeps for itself"),
        (promote, (*WHICH, "--json"), "--json goes with --history"),
    ],
)
def test_it_is_refused_at_the_door(command, arguments, told):
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2 and told in done.output
