"""Command lines that are refused before MLflow is contacted."""

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.promote import promote
from orchestrator.registry.promotion import command_helpers
from orchestrator.reporting.claims import MARGIN
from orchestrator.rollback import rollback


@pytest.fixture(autouse=True)
def no_connection(monkeypatch):
    def connect(uri):
        raise AssertionError("MLflow was contacted")

    monkeypatch.setattr(command_helpers, "connect", connect)


WHICH = ("--variant", "text_hyper", "--yes")


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (promote, (*WHICH, "--min-gain", "-0.1"), "--min-gain"),
        (promote, (*WHICH, "--min-gain", "nan"), "--min-gain"),
        (promote, (*WHICH, "--confidence", "nan"), "--confidence"),
        (promote, (*WHICH, "--alias", "no spaces"), "'no spaces' is not a name that MLflow allows"),
        (promote, (*WHICH, "--alias", ""), "'' is not a name that MLflow allows"),
        (promote, (*WHICH, "--alias", "a" * 101), "100 at most"),
        (promote, (*WHICH, "--alias", "Latest"), "name that MLflow reserves"),
        (promote, (*WHICH, "--history", "--alias", "v3"), "name that MLflow reserves"),
        (rollback, (*WHICH, "--alias", "v3"), "name that MLflow reserves"),
        (promote, (*WHICH, "--margin", "-0.1"), "--margin"),
        (promote, (*WHICH, "--margin", "nan"), "--margin"),
        (promote, ("--yes",), "Give --variant, or --sweep or --run"),
        (promote, (*WHICH, "--control"), "--control needs --sweep or --run"),
        (promote, ("--sweep", "s", "--history"), "--history needs --variant"),
        (promote, (*WHICH, "--json"), "--json goes with --history"),
    ],
)
def test_command_refuses_wrong_options_before_it_connects(command, arguments, message):
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2 and message in done.output


def test_margin_has_the_default_of_the_claims():
    defaults = {option.name: option.default for option in typer.main.get_command(promote).params}
    assert defaults["margin"] == MARGIN
