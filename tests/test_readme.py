"""Commands that the README shows, run on small made data."""

import json
import shlex
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from orchestrator.cluster.ports import free_port
from tests import commands
from tests.shown import shown_commands, shown_environment

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
COMMANDS = shown_commands(ROOT / "README.md")
SMALL = ["--trials", "2", "--epochs", "2", "--confirm", "1", "--splits", "1", "--pruner", "none"]
ALONE = ["--concurrency", "1"]
APART = {"sweep", "cluster", "doctor", "rerun"}
"""Commands that run in a process of their own, as shown; the others run in the tests' process, which is quicker."""


@pytest.fixture(scope="module")
def folder(module_folder):
    """A working folder with `ratings.csv`, `AGIQA-3K/` and the two fox pictures: 24 prompts × 4 images."""
    random = np.random.default_rng(0)
    agiqa = module_folder / "AGIQA-3K"
    (agiqa / "image").mkdir(parents=True)
    ratings, rows = [], []
    for prompt in range(24):
        for copy in range(4):
            name = f"{'glide' if copy % 2 else 'DALLE2'}_{'normal' if copy < 2 else 'lowstep'}_{prompt:03d}.jpg"
            pixels = random.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(agiqa / "image" / name)
            quality, alignment = random.random(2) * 5
            ratings.append({"image": f"AGIQA-3K/image/{name}", "prompt": f"thing {prompt}", "alignment": alignment})
            scores = {"mos_quality": quality, "std_quality": 0.5, "mos_align": alignment, "std_align": 0.5}
            rows.append({"name": name, "prompt": f"thing {prompt}", "adj1": "", "adj2": "", "style": "", **scores})
    pd.DataFrame(ratings).to_csv(module_folder / "ratings.csv", index=False)
    pd.DataFrame(rows).to_csv(agiqa / "data.csv", index=False)
    for fox in ("fox1.png", "fox2.png"):
        Image.fromarray(random.integers(0, 256, (64, 80, 3), dtype=np.uint8)).save(module_folder / fox)
    return module_folder


def test_readme_shows_every_command():
    assert {command.split()[2] for command in COMMANDS} == {
        "orchestrator.data",
        "orchestrator.reproduce",
        "orchestrator.sweep",
        "orchestrator.sweeps",
        "orchestrator.score",
        "orchestrator.resume",
        "orchestrator.promote",
        "orchestrator.compare",
        "orchestrator.rollback",
        "orchestrator.export",
        "orchestrator.rerun",
        "orchestrator.report",
        "orchestrator.stop",
        "orchestrator.sync",
        "orchestrator.cluster",
        "orchestrator.status",
        "orchestrator.doctor",
    }


def test_commands_of_one_machine_do_what_the_readme_says(folder):
    """Sweeps run first, so that there is something to list and to score with."""
    sweeps = [command for command in COMMANDS if "orchestrator.sweep " in command and "--address" not in command]
    for number, command in enumerate(sweeps):
        done = run(folder, command, *SMALL, *ALONE, "--name", f"readme-{number}", "--json")
        assert json.loads(done)["counts"]["complete"] == 2
    listed = run(folder, next(command for command in COMMANDS if "orchestrator.sweeps" in command))
    assert all(f"readme-{number}" in listed for number in range(len(sweeps)))
    synced = run(folder, next(command for command in COMMANDS if "orchestrator.sync" in command))
    assert "No sweep in sweeps has anything left" in synced
    checked = run(folder, next(command for command in COMMANDS if "orchestrator.data" in command))
    assert "96 of 96 images can be used, 24 prompts" in checked
    scored = run(folder, next(command for command in COMMANDS if "orchestrator.score" in command))
    assert "fox1.png" in scored and "fox2.png" in scored
    again = run(folder, next(command for command in COMMANDS if "orchestrator.rerun" in command))
    assert "the same bit for bit" in again
    resumed = next(command for command in COMMANDS if "orchestrator.resume" in command)
    assert resumed.endswith("--trials 24")
    extended = run(folder, resumed.replace("--trials 24", "--trials 3"), *ALONE, "--json")
    assert sum(json.loads(extended)["counts"].values()) == 3
    exported = run(folder, next(command for command in COMMANDS if "orchestrator.sweeps export" in command))
    assert "readme-0.zip" in exported and (folder / "readme-0.zip").is_file()


def test_a_finished_sweep_is_looked_at_and_not_stopped(folder, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    best, page, report, watch, logs, stop = (
        next(command for command in COMMANDS if f"orchestrator.{name} SWEEP" in command)
        for name in ("sweeps best", "sweeps open", "report", "sweeps watch", "sweeps logs", "stop")
    )
    assert "hypernet_lr_ratio" in run(folder, best)
    assert "readme-0/report/index.html" in run(folder, page) and len(opened) == 1
    run(folder, report)
    compared = (folder / "report.html").read_text(encoding="utf-8")
    assert "readme-0" in compared and "readme-1" in compared
    assert "finished" in run(folder, watch)
    assert "epoch" in run(folder, logs)
    refused = commands.invoke(folder, "stop", "readme-0", code=2)
    assert "is not running" in refused.err


def test_champion_is_promoted_and_rolled_back(folder):
    """Noise earns no alias, so it is forced; the way back is from a version that somebody chose by hand."""
    promote, compare, rollback = (
        next(command for command in COMMANDS if f"orchestrator.{name}" in command)
        for name in ("promote", "compare", "rollback")
    )
    assert "is version 1 now" in run(folder, promote, "--sweep", "readme-0", "--force", "--reason", "to try it")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    first = client.get_model_version("text_hyper", "1")
    mlflow.set_tracking_uri(client.tracking_uri)
    client.create_model_version("text_hyper", first.source, first.run_id)
    client.set_registered_model_alias("text_hyper", "champion", "2")
    assert "A − B" in run(folder, compare)
    assert "is version 1 again" in run(folder, rollback)
    assert client.get_model_version_by_alias("text_hyper", "champion").version == first.version
    score, export = (
        next(command for command in COMMANDS if f"orchestrator.{name} --model text_hyper@champion" in command)
        for name in ("score", "export")
    )
    run(folder, score)
    assert len(pd.read_csv(folder / "scores.csv")["alignment"].dropna()) == 2
    assert "fox-judge.zip" in run(folder, export) and (folder / "fox-judge.zip").is_file()


def test_reproduction_reports_the_papers_table(folder, simulated_tune):
    """The shipped form of one table is enough, under the simulated Tune."""
    command = next(command for command in COMMANDS if "orchestrator.reproduce" in command)
    rows = json.loads(run(folder, command, "--forms", "shipped", "--json"))
    assert [(row["claim"]["table"], row["divided"]) for row in rows] == [("V", "paper"), ("V", "random")]
    reproduction = folder / "sweeps" / "reproduce-agiqa3k-quick"
    results = [json.loads(path.read_text(encoding="utf-8")) for path in reproduction.glob("*/result.json")]
    best = {result["protocol"]: result["best"]["test"]["srcc"] for result in results}
    assert {row["divided"]: row["ours"]["shipped"]["srcc"] for row in rows} == pytest.approx(best)
    report = reproduction / "report"
    assert {path.name for path in report.iterdir()} == {f"reproduction.{kind}" for kind in ("md", "csv", "png")}
    again = run(folder, command, "--forms", "shipped")
    assert again.count("Finished before.") == 2


def test_commands_of_many_machines_run_a_sweep(folder, monkeypatch):
    """Two nodes on this host replace two hosts, and a file replaces MLflow's server."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    port = free_port()
    doctor, up, join, sweep, status, down = (
        command.replace("10.0.0.1:6379", f"127.0.0.1:{port}")
        .replace("10.0.0.1", "127.0.0.1")
        .replace("http://mlflow:5000", f"sqlite:///{folder}/mlflow.db")
        .replace("/shared", f"{folder}/shared")
        for name in (
            "doctor",
            "cluster up",
            "cluster join",
            "sweep --variant text_hyper --address",
            "status",
            "cluster down",
        )
        for command in COMMANDS
        if f"orchestrator.{name}" in command
    )
    assert "weights" in run(folder, doctor)
    few = ("--num-cpus", "1", "--object-store-memory", "80MB")
    try:
        assert "its token is in" in run(folder, up, "--port", str(port), *few)
        assert f"has joined 127.0.0.1:{port}" in run(folder, join, *few)
        (folder / "shared").mkdir()
        done = json.loads(run(folder, sweep, *SMALL, "--name", "many", "--json"))
        assert done["counts"]["complete"] == 2 and done["slots"]["count"] == 2
        assert f"Cluster 127.0.0.1:{port}: 2 hosts" in run(folder, status)
    finally:
        stopped = run(folder, f"{down} worker-{port}") + run(folder, down)
    assert f"worker-{port} is down" in stopped and f"head-{port} is down" in stopped


def run(folder: Path, command: str, *more: str) -> str:
    """Run a command as the README shows it, with `more` arguments, and return its standard output."""
    module, *arguments = shlex.split(
        command.replace("~/", f"{folder}/").replace("SWEEP", "readme-0").replace("OTHER", "readme-1")
    )[2:]
    name = module.removeprefix("orchestrator.")
    if name in APART:
        return commands.run(folder, name, *arguments, *more, environment=shown_environment()).out
    return commands.invoke(folder, name, *arguments, *more).out
