"""Output of `sweeps show` and `sweeps best`, and the tables of a sweep."""

import csv
import json
import shlex
from io import StringIO

from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.csv_tables import write_csv_tables
from orchestrator.reporting.sweep_record import read_sweep_record
from orchestrator.search.initial_trials import read_enqueued
from orchestrator.sweeps.listing import print_sweep
from tests.commands import invoke
from tests.execution.fakes import SPACE


def test_show_prints_the_claims_of_a_finished_sweep(tmp_path):
    workspace = Workspace(tmp_path / "made")
    workspace.report.mkdir(parents=True)
    SweepSpec(name="made").save(workspace.spec)
    comparison = {"against": "control", "target": "alignment", "srcc_difference": 0.01, "interval": [-0.01, 0.03]}
    best = {"trial": 2, "source": "trial-0002", "params": {"lr": 0.01}, "val": {"srcc": 0.5}, "test": None}
    result = {"targets": ["alignment"], "best": best, "confirmed": [best], "comparisons": [comparison]}
    workspace.result.write_text(json.dumps(result), encoding="utf-8")
    output = StringIO()
    print_sweep(workspace, Console(file=output, width=120))
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert lines[1] == "text_hyper on shapes: alignment (protocol disjoint, medians over 5 splits)"
    assert "text_hyper, trial 2 0.5000 –" in lines
    assert any(line.startswith("Trial 2 cannot be distinguished from the control (plain_head)") for line in lines)
    assert "better than plain_head not shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines
    assert "not inferior to plain_head by 0.02 shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines


def test_best_of_an_unfinished_sweep_has_parameters_and_commands(make, out):
    workspace = make("first", trials=3)
    done = invoke(out.parent, "sweeps", "best", "first", "--json")
    found = json.loads(done.out)
    assert not found["finished"] and found["control"] is None
    assert (found["best"]["trial"], found["best"]["val"]["srcc"], found["best"]["test"]) == (1, 0.2, None)
    assert [one["name"] for one in found["best"]["parameters"]] == ["lr", "widths", "rank"]
    text = invoke(out.parent, "sweeps", "best", "first").out
    assert "text_hyper, trial 1: validation SRCC 0.2000, PLCC –." in text
    write, start = text.splitlines()[-2:]
    assert start.endswith("orchestrator.sweep --variant text_hyper --dataset shapes --enqueue best.json")
    file = out / "best.json"
    file.write_text(shlex.split(write)[1], encoding="utf-8")
    assert read_enqueued(file, SPACE) == (found["best"]["params"],)
    shown = invoke(out.parent, "sweeps", "show", "first").out
    assert "Best so far:" in shown and "search: 2 of 3" in shown and "resume first" in shown
    as_json = json.loads(invoke(out.parent, "sweeps", "show", "first", "--json").out)
    assert as_json["status"]["state"] == "interrupted" and as_json["best"] == found["best"]
    assert workspace.result.exists() is False


def test_best_of_a_sweep_without_trials_is_one_sentence(make, out):
    make("first")
    assert invoke(out.parent, "sweeps", "best", "first").out == "No trial of first has a finite score yet.\n"
    assert json.loads(invoke(out.parent, "sweeps", "best", "first", "--json").out)["best"] is None


def test_show_as_json_is_the_result(make, out):
    workspace = make("first", trials=3, finished=True)
    shown = json.loads(invoke(out.parent, "sweeps", "show", "first", "--json").out)
    assert shown.items() >= json.loads(workspace.result.read_text(encoding="utf-8")).items()


def test_csv_tables_have_a_row_for_each_trial_and_epoch(make):
    workspace = make("first", trials=3)
    write_csv_tables(read_sweep_record(workspace))
    with (workspace.report / "trials.csv").open(encoding="utf-8") as file:
        trials = list(csv.DictReader(file))
    with (workspace.report / "epochs.csv").open(encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    assert [row["outcome"] for row in trials] == ["complete", "complete", ""]
    assert trials[0]["depth"].isdigit() and trials[0]["best_val_srcc"] == "0.1" and float(trials[0]["seconds"]) >= 0
    assert [(row["key"], row["epoch"]) for row in epochs] == [(f"trial-000{n}", "1") for n in range(3)]
