"""The command `orchestrator.compare` on generated tables of predictions."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.compare import compare
from tests.registry.promotion.made import predictions


@pytest.fixture
def compared(monkeypatch):
    """Function that runs the command on two tables; the first lacks the score of an image."""
    tables = {"a": predictions(0.5), "b": predictions(0.5, seed=1)}
    for table in tables.values():
        table.drop(table.index[table["part"].eq("test")][5:], inplace=True)
    tables["a"].loc[tables["a"].index[-1], "predicted_alignment"] = float("nan")

    def find(client, name, *rest):
        return SimpleNamespace(name=name, table=tables[name], candidate=None)

    monkeypatch.setattr("orchestrator.registry.promotion.command_helpers.connect", lambda uri: None)
    monkeypatch.setattr("orchestrator.registry.promotion.compared_model.find_compared", find)
    return lambda *arguments: CliRunner().invoke(compare, ["a", "b", *map(str, arguments)])


def test_compare_prints_null_for_a_missing_score(compared, tmp_path):
    done = compared("--json", "--figure", tmp_path / "ab.png")
    assert done.exit_code == 0, done.output
    furthest = json.loads(done.stdout)["targets"]["alignment"]["furthest"]
    assert len(furthest) == 5 and furthest[-1]["first"] is None and furthest[-1]["second"] is not None


@pytest.mark.parametrize("name", ["file/ab.png", "ab.nothing"])
def test_compare_reports_a_figure_that_cannot_be_written(compared, tmp_path, name):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = compared("--figure", tmp_path / name)
    assert done.exit_code == 2 and "cannot be written" in done.stderr and done.stderr.count("\n") == 1
