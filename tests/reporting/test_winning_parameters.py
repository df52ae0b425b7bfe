"""Parameters of the best configurations: shown, enqueued, fixed."""

import io
import json

import pytest
from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.finished_sweep import print_finished
from orchestrator.reporting.read_result import read_result
from orchestrator.reporting.tables import print_result, write_tables
from orchestrator.reporting.winning_parameters import reuse_commands, write_winner
from orchestrator.search.enumeration import all_configurations
from orchestrator.search.initial_trials import read_enqueued
from orchestrator.search.space import load_space
from tests.execution.fakes import SPACE


def lines_of(result, width, terminal=True):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_result(console, result, "sweeps/made/report")
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()], console.file.getvalue()


@pytest.fixture
def finished(made, tmp_path):
    """Return the result of the made sweep in a folder of its own, as `result.json` has it, and its workspace."""
    workspace = Workspace(tmp_path / "made")
    workspace.report.mkdir(parents=True)
    workspace.space.write_text(json.dumps(SPACE.model_dump(mode="json")), encoding="utf-8")
    made.prepared.spec.save(workspace.spec)
    workspace.result.write_text(json.dumps(made.result(), allow_nan=False), encoding="utf-8")
    return made.result(), workspace


def test_a_value_that_differs_from_its_default_is_marked(made):
    result = made.result()
    for part in ("best", "control"):
        for parameter in result[part]["parameters"]:
            assert parameter["differs"] == (parameter["value"] != parameter["default"])
    best, control = ({one["name"]: one for one in result[part]["parameters"]} for part in ("best", "control"))
    assert list(best) == ["lr", "widths", "rank"] and list(control) == ["lr", "widths"]
    best["rank"].update(value=3, differs=True)
    lines, _ = lines_of(result, 100)
    numbers = f"parameter trial {result['best']['trial']} control {result['control']['trial']} default"
    assert "rank 3 * 2" in lines and lines[lines.index(numbers) - 1] == "text_hyper, plain_head,"


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
def test_nothing_is_wider_than_the_terminal_and_no_figure_is_cut(made, width):
    result = made.result()
    lines, text = lines_of(result, width)
    assert all(len(line.rstrip()) <= width for line in text.splitlines()) and "…" not in text
    test = result["best"]["test"]
    assert f"{test['srcc']:.4f}" in text and "[{:.3f}, {:.3f}]".format(*test["interval"]) in text
    dropped = [line for line in lines if line.endswith("in sweeps/made/report/result.md")]
    assert len(dropped) == (width <= 120)


def test_the_table_without_a_terminal_has_every_column(made):
    _, text = lines_of(made.result(), 140, terminal=False)
    assert "\x1b" not in text and "more column" not in text
    assert "generator" in text.splitlines()[3] and "fitted" in text.splitlines()[2]


def test_the_enqueued_file_is_the_best_configuration(finished):
    result, workspace = finished
    write_winner(SPACE, result, workspace.report)
    assert read_enqueued(workspace.report / "best.json", SPACE) == (result["best"]["params"],)


def test_the_fixed_space_has_the_best_configuration_only(finished):
    result, workspace = finished
    write_winner(SPACE, result, workspace.report)
    fixed = load_space(workspace.report / "best_space.yaml")
    assert all_configurations(fixed) == [{}]
    assert fixed.configuration({}) == SPACE.configuration(result["best"]["params"])


def test_a_sweep_without_a_winner_removes_the_files_of_an_earlier_budget(finished):
    result, workspace = finished
    write_winner(SPACE, result, workspace.report)
    write_winner(SPACE, {**result, "best": None}, workspace.report)
    assert list(workspace.report.iterdir()) == []
    assert reuse_commands(SweepSpec(id="1", name="made"), workspace, {**result, "best": None}) == {}


def test_markdown_has_parameters_and_commands(finished):
    result, workspace = finished
    commands = reuse_commands(SweepSpec(id="1", name="made", epochs=3), workspace, result)
    write_tables(result, workspace.report, commands)
    text = (workspace.report / "result.md").read_text(encoding="utf-8")
    assert "| parameter | text_hyper, trial" in text and "\n| lr | " in text
    for option in ("--epochs 3", "--enqueue", "report/best.json", "--space", "report/best_space.yaml"):
        assert option in text


@pytest.mark.parametrize("earlier", [False, True])
def test_a_stored_result_prints_as_at_the_end_of_its_sweep(made, finished, earlier):
    result, workspace = finished
    if earlier:  # what the result of an earlier version has not
        for key in ("confirm", "splits", "exhausted_sentences"):
            del result[key]
        for one in (result["best"], result["control"], *result["confirmed"]):
            one.pop("parameters", None)
            del one["variant"]
        workspace.result.write_text(json.dumps(result), encoding="utf-8")
    console, again = (Console(file=io.StringIO(), width=80, force_terminal=True) for _ in range(2))
    print_result(console, made.result(), "report")
    stored = read_result(workspace, made.prepared.spec)
    print_result(again, stored, "report")
    assert again.file.getvalue() == console.file.getvalue()
    print_finished(again, workspace, made.prepared.spec, stored)


def test_a_result_without_a_space_prints_without_parameters(made, finished):
    result, workspace = finished
    del result["best"]["parameters"]
    workspace.result.write_text(json.dumps(result), encoding="utf-8")
    workspace.space.unlink()
    assert read_result(workspace, made.prepared.spec)["best"]["parameters"] == []


def test_a_winner_outside_narrower_ranges_is_fixed_all_the_same(finished):
    result, workspace = finished
    best = {**result["best"], "params": {**result["best"]["params"], "lr": 0.5}}
    write_winner(SPACE, {**result, "best": best}, workspace.report)
    assert load_space(workspace.report / "best_space.yaml").configuration({}).training == {"lr": 0.5}
