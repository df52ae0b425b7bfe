"""Contract of the commands with their users: exit codes, errors in one sentence, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.rerun import rerun
from orchestrator.resume import resume
from orchestrator.score import score
from orchestrator.sweep import sweep
from orchestrator.sweeps.__main__ import sweeps
from orchestrator.tracking.spool import Event, Spool


@pytest.fixture
def folder(elsewhere: Path) -> Path:
    """Return a working folder with `ratings.csv` and wrong variants of it."""
    rows = []
    for number in range(48):
        name = f"{number:02d}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(elsewhere / name)
        rows.append({"image": name, "prompt": f"thing {number // 2}", "alignment": number / 10})
    table = pd.DataFrame(rows)
    table.to_csv(elsewhere / "ratings.csv", index=False)
    table.drop(columns="prompt").to_csv(elsewhere / "no_prompt.csv", index=False)
    table.drop(columns="image").to_csv(elsewhere / "no_image.csv", index=False)
    table.drop(columns="alignment").to_csv(elsewhere / "no_score.csv", index=False)
    table.rename(columns={"alignment": "beauty"}).to_csv(elsewhere / "beauty.csv", index=False)
    table.head(6).to_csv(elsewhere / "few.csv", index=False)
    table.assign(image="gone.png").assign(name=table["image"]).to_csv(elsewhere / "gone.csv", index=False)
    (elsewhere / "empty_space.yaml").write_text("training: {}\n", encoding="utf-8")
    (elsewhere / "wrong_space.yaml").write_text(
        "training: {lr: {type: float, low: 1, high: 0, default: 1}}\n", encoding="utf-8"
    )
    number = {"type": "float", "low": 1e-4, "high": 1e-2, "default": 1e-3}
    (elsewhere / "unknown_key.yaml").write_text(yaml.safe_dump({"model": {"wings": number}}), encoding="utf-8")
    (elsewhere / "unknown_setting.yaml").write_text(
        yaml.safe_dump({"training": {"lr": number, "speed": number}}), encoding="utf-8"
    )
    (elsewhere / "enqueue_unknown.yaml").write_text("- {wings: 2}\n", encoding="utf-8")
    (elsewhere / "enqueue_range.yaml").write_text("- {lr: 7.0}\n", encoding="utf-8")
    (elsewhere / "enqueue_dict.yaml").write_text("lr: 0.1\n", encoding="utf-8")
    (elsewhere / "config_list.yaml").write_text("- 1\n", encoding="utf-8")
    (elsewhere / "config_unknown.yaml").write_text("trails: 3\n", encoding="utf-8")
    (elsewhere / "no.yaml").write_text("a: [1\nb: 2", encoding="utf-8")
    whole = {"type": "int", "low": 0, "high": 8, "default": 8}
    (elsewhere / "range.yaml").write_text(yaml.safe_dump({"training": {"batch_size": whole}}), encoding="utf-8")
    losses = {"type": "categorical", "choices": ["huber", "hubber"], "default": "huber"}
    (elsewhere / "loss.yaml").write_text(yaml.safe_dump({"training": {"loss": losses}}), encoding="utf-8")
    (elsewhere / "binary").write_bytes(b"\xff\xfe\x00\x01")
    return elsewhere


WRONG = {
    "unknown variant": (["--variant", "text_hypr"], ["text_hypr", "text_hyper"]),
    "nothing like it": (["--variant", "zzz"], ["zzz", "image_hyper", "plain_head"]),
    "unknown data set": (["--dataset", "shape"], ["shape", "shapes"]),
    "missing folder": (["--dataset", "agiqa3k", "--data-root", "absent"], ["absent"]),
    "no folder": (["--dataset", "agiqa3k"], ["data-root"]),
    "a folder without the data": (["--dataset", "agiqa3k", "--data-root", "."], ["data.csv"]),
    "missing file": (["--dataset", "csv:absent.csv"], ["absent.csv"]),
    "csv of nothing": (["--dataset", "csv:"], ["csv:FILE"]),
    "csv without prompt": (["--dataset", "csv:no_prompt.csv"], ["no_prompt.csv", "prompt"]),
    "csv without image": (["--dataset", "csv:no_image.csv"], ["no_image.csv", "image"]),
    "csv without score": (["--dataset", "csv:no_score.csv"], ["no_score.csv", "score"]),
    "csv of missing images": (["--dataset", "csv:gone.csv"], ["gone.csv", "48"]),
    "too few prompts": (["--dataset", "csv:few.csv"], ["few.csv", "prompts"]),
    "a target that the data lack": (["--dataset", "csv:ratings.csv", "--targets", "quality"], ["quality", "alignment"]),
    "no score that the variant is for": (["--dataset", "csv:beauty.csv"], ["alignment", "beauty", "--targets"]),
    "unknown protocol": (["--dataset", "csv:ratings.csv", "--protocol", "fair"], ["fair", "disjoint", "paper"]),
    "unknown sampler": (["--sampler", "tpee"], ["tpee", "tpe"]),
    "unknown pruner": (["--pruner", "halfing"], ["halfing", "halving"]),
    "unknown encoder": (["--encoders", "minlm"], ["minlm", "minilm"]),
    "unknown network": (["--encoders", "timm:resnat18"], ["timm", "resnat18", "resnet18"]),
    "a folder without a model": (["--encoders", "sentence:/absent/model"], ["/absent/model"]),
    "half an encoder's name": (["--encoders", "sentence"], ["sentence:ID"]),
    "missing space": (["--space", "absent.yaml"], ["absent.yaml"]),
    "empty space": (["--space", "empty_space.yaml"], ["empty_space.yaml", "empty"]),
    "wrong space": (["--space", "wrong_space.yaml"], ["wrong_space.yaml", "training.lr", "low <= default"]),
    "binary space": (["--space", "binary"], ["binary", "YAML"]),
    "a space of another model": (["--dataset", "csv:ratings.csv", "--space", "unknown_key.yaml"], ["wings"]),
    "a setting there is not": (["--dataset", "csv:ratings.csv", "--space", "unknown_setting.yaml"], ["speed"]),
    "missing enqueue": (["--enqueue", "absent.yaml"], ["--enqueue", "absent.yaml"]),
    "enqueue of unknown keys": (["--enqueue", "enqueue_unknown.yaml"], ["wings", "lr"]),
    "enqueue out of range": (["--enqueue", "enqueue_range.yaml"], ["lr", "7.0"]),
    "enqueue that is no list": (["--enqueue", "enqueue_dict.yaml"], ["list"]),
    "binary enqueue": (["--enqueue", "binary"], ["binary"]),
    "missing config": (["--config", "absent.yaml"], ["absent.yaml"]),
    "config that is a list": (["--config", "config_list.yaml"], ["mapping"]),
    "config with a typo": (["--config", "config_unknown.yaml"], ["trails"]),
    "config that is no YAML": (["--config", "no.yaml"], ["no.yaml"]),
    "enqueue that is no YAML": (["--enqueue", "no.yaml"], ["no.yaml"]),
    "a value out of range": (["--dataset", "csv:ratings.csv", "--space", "range.yaml"], ["range.yaml", "batch_size"]),
    "a loss there is not": (["--dataset", "csv:ratings.csv", "--space", "loss.yaml"], ["loss.yaml", "hubber"]),
    "binary config": (["--config", "binary"], ["binary"]),
    "no trials": (["--trials", "0"], ["--trials", "0"]),
    "no epochs": (["--epochs", "-1"], ["--epochs"]),
    "no splits": (["--splits", "0"], ["--splits"]),
    "negative seed": (["--seed", "-1"], ["--seed"]),
    "no concurrency": (["--concurrency", "0"], ["--concurrency"]),
    "no time": (["--max-hours", "0"], ["--max-hours"]),
    "no cpus": (["--cpus-per-trial", "0"], ["--cpus-per-trial"]),
    "a name that is a path": (["--name", "../mine"], ["--name"]),
}


@pytest.mark.parametrize("arguments, named", WRONG.values(), ids=WRONG)
def test_wrong_input_is_refused_in_one_sentence(folder, arguments, named):
    before = sorted(path.name for path in folder.iterdir())
    found = CliRunner().invoke(sweep, arguments)
    assert found.exit_code == 2, (found.stderr, found.exception)
    lines = [line for line in found.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("Error: "), found.stderr
    assert all(word in lines[0] for word in named), lines[0]
    assert len(lines[0]) < 400
    assert sorted(path.name for path in folder.iterdir() if path.name != "sweeps") == before
    assert not list((folder / "sweeps").glob("*"))


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_wrong_target_is_refused_with_and_without_dry_run(folder, dry):
    found = CliRunner().invoke(sweep, ["--dataset", "csv:ratings.csv", "--targets", "charm", *dry])
    assert found.exit_code == 2 and "charm" in found.stderr


@pytest.mark.parametrize("arguments", [["--trials", "many"], ["--no-such-option"], ["--seed"]])
def test_unparsable_option_is_wrong_input(arguments):
    found = CliRunner().invoke(sweep, arguments)
    assert found.exit_code == 2 and "Traceback" not in found.stderr and arguments[0] in found.stderr


def test_debug_raises_the_error(folder):
    found = CliRunner().invoke(sweep, ["--variant", "text_hypr", "--debug"])
    assert type(found.exception).__name__ == "InputError"


def test_unexpected_error_is_exit_code_1(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("the moon is full")

    monkeypatch.setattr("orchestrator.sweeps.start_or_resume.start_or_resume", broken)
    found = CliRunner().invoke(sweep, ["--seed", "0"])
    assert found.exit_code == 1 and "the moon is full" in found.stderr and "--debug" in found.stderr


def test_interrupt_is_exit_code_130(monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.sweeps.start_or_resume.start_or_resume", interrupted)
    found = CliRunner().invoke(sweep, ["--seed", "0"])
    assert found.exit_code == 130 and "Traceback" not in found.stderr


def made_sweep(folder: Path, name: str, result: dict | None = None, **settings: object) -> SweepSpec:
    spec = SweepSpec(name=name, **settings)
    (folder / "sweeps" / name).mkdir(parents=True)
    spec.save(folder / "sweeps" / name / "spec.yaml")
    if result is not None:
        (folder / "sweeps" / name / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return spec


class TestSweeps:
    def test_list_shows_every_sweep(self, elsewhere):
        made_sweep(elsewhere, "first", {"best": {"test": {"srcc": 0.61234}}})
        made_sweep(elsewhere, "second", {"best": None}, variant="image_hyper")
        third = made_sweep(elsewhere, "third")
        found = CliRunner().invoke(sweeps, [], env={"COLUMNS": "200"})
        lines = found.stdout.splitlines()
        assert found.exit_code == 0 and [line.split()[0] for line in lines[1:]] == ["first", "second", "third"]
        assert "0.6123" in lines[1] and "image_hyper" in lines[2] and third.id in lines[3] and "unfinished" in lines[3]

    def test_show_finds_a_sweep_by_name_id_and_folder(self, elsewhere):
        spec = made_sweep(elsewhere, "first", {"best": None, "dataset": "a [b]"})
        for reference in ("first", spec.id, "sweeps/first", str(elsewhere / "sweeps" / "first")):
            found = CliRunner().invoke(sweeps, [reference])
            assert found.exit_code == 0 and "text_hyper on a [b]" in found.stdout

    def test_show_of_an_unfinished_sweep_prints_how_to_resume(self, elsewhere):
        made_sweep(elsewhere, "first")
        found = CliRunner().invoke(sweeps, ["first"])
        assert found.exit_code == 0 and "orchestrator.resume first" in found.stdout

    def test_unknown_sweep_is_refused(self, elsewhere):
        assert "no sweeps" in CliRunner().invoke(sweeps, ["frist"]).stderr
        made_sweep(elsewhere, "first")
        found = CliRunner().invoke(sweeps, ["frist"])
        assert found.exit_code == 2 and "did you mean first?" in found.stderr

    def test_list_of_an_empty_folder_succeeds(self):
        assert CliRunner().invoke(sweeps, []).exit_code == 0

    def test_show_finds_a_sweep_named_like_a_subcommand(self, elsewhere):
        made_sweep(elsewhere, "list", {"best": None})
        assert "No trial has a finite score" in CliRunner().invoke(sweeps, ["show", "list"]).stdout

    def test_list_as_json(self, elsewhere):
        made_sweep(elsewhere, "first", {"best": {"test": {"srcc": 0.6}}, "counts": {"complete": 12}})
        (elsewhere / "sweeps" / "broken").mkdir()
        (elsewhere / "sweeps" / "broken" / "spec.yaml").write_text("a: [", encoding="utf-8")
        first, broken = json.loads(CliRunner().invoke(sweeps, ["list", "--json"]).stdout)
        assert (first["name"], first["state"], first["trials"], first["test_srcc"]) == ("first", "finished", 12, 0.6)
        assert (broken["name"], broken["state"]) == ("broken", "damaged") and "spec.yaml" in broken["reason"]

    @pytest.mark.parametrize("options, answer, gone", [([], "n\n", False), ([], "y\n", True), (["--yes"], "", True)])
    def test_delete_asks_first(self, elsewhere, options, answer, gone):
        made_sweep(elsewhere, "first")
        found = CliRunner().invoke(sweeps, ["delete", "first", *options], input=answer)
        assert found.exit_code == (0 if gone else 2) and (elsewhere / "sweeps" / "first").exists() != gone

    @pytest.mark.parametrize("command", ["show", "export", "archive", "delete"])
    def test_unknown_earlier_sweep_is_refused(self, elsewhere, command):
        made_sweep(elsewhere, "first")
        found = CliRunner().invoke(sweeps, [command, "frist"])
        assert found.exit_code == 2 and "did you mean first?" in found.stderr and found.stderr.count("\n") == 1


class TestResume:
    FINISHED = {"best": None, "counts": {"complete": 12}, "control_counts": {"pruned": 12}, "budget": 12}

    def test_finished_sweep_is_shown(self, elsewhere):
        made_sweep(elsewhere, "first", self.FINISHED)
        for arguments in ([], ["--trials", "12"]):
            found = CliRunner().invoke(resume, ["first", "--json", *arguments])
            assert found.exit_code == 0 and json.loads(found.stdout) == self.FINISHED and "is finished" in found.stderr

    @pytest.mark.parametrize(
        "arguments, named",
        [
            (["frist"], ["did you mean first?"]),
            (["first", "--trials", "0"], ["--trials", "0"]),
            (["first", "--max-hours", "-1"], ["--max-hours"]),
            (["first", "--concurrency", "0"], ["--concurrency"]),
        ],
    )
    def test_wrong_input(self, elsewhere, arguments, named):
        made_sweep(elsewhere, "first", self.FINISHED)
        found = CliRunner().invoke(resume, arguments)
        assert found.exit_code == 2 and all(word in found.stderr for word in named) and found.stderr.count("\n") == 1

    def test_finished_sweep_keeps_its_result_if_its_data_are_missing(self, folder):
        made_sweep(folder, "first", self.FINISHED, dataset="csv:absent.csv")
        (folder / "sweeps" / "first" / "space.yaml").write_text("training: {}", encoding="utf-8")
        found = CliRunner().invoke(resume, ["first", "--trials", "20"])
        assert found.exit_code == 2
        assert json.loads((folder / "sweeps" / "first" / "result.json").read_text(encoding="utf-8")) == self.FINISHED
        assert load_spec(folder / "sweeps" / "first" / "spec.yaml").trials == 12

    def test_sweep_with_more_trials_prints_how_to_extend_the_budget(self, elsewhere):
        made_sweep(elsewhere, "first", self.FINISHED)
        found = CliRunner().invoke(sweep, ["--name", "first", "--trials", "20"])
        assert found.exit_code == 2 and "python -m orchestrator.resume first --trials 20" in found.stderr
        fewer = CliRunner().invoke(sweep, ["--name", "first", "--trials", "2"])
        assert fewer.exit_code == 2 and "resume" not in fewer.stderr

    def test_sweep_ended_by_time_prints_how_to_resume(self, elsewhere):
        made_sweep(elsewhere, "first", {**self.FINISHED, "counts": {"complete": 7}})
        found = CliRunner().invoke(sweep, ["--name", "first"])
        assert found.exit_code == 0 and "after 7 of 12 trials" in found.stdout and "resume first" in found.stdout

    def test_archived_sweep_is_refused(self, elsewhere):
        made_sweep(elsewhere, "first", self.FINISHED)
        assert CliRunner().invoke(sweeps, ["archive", "first"]).exit_code == 0
        for command, arguments in ((resume, ["first"]), (sweep, ["--name", "first"])):
            found = CliRunner().invoke(command, arguments)
            assert found.exit_code == 2 and "sweeps restore first" in found.stderr
        assert not (elsewhere / "sweeps" / "first").exists()


class TestRerun:
    @pytest.mark.parametrize(
        "arguments, named",
        [
            (["trial-0001"], "names no run"),
            (["whatever"], "names no run"),
            (["frist/trial-0001"], "did you mean first?"),
            (["first/trial-0001"], "has no trial-0001"),
            (["trial-0001", "--sweep", "first"], "has no trial-0001"),
            (["0" * 32], "There is no MLflow database"),
        ],
    )
    def test_wrong_input(self, elsewhere, arguments, named):
        made_sweep(elsewhere, "first")
        found = CliRunner().invoke(rerun, arguments)
        lines = [line for line in found.stderr.splitlines() if " INFO mlflow" not in line]  # loaded by another test
        assert found.exit_code == 2 and named in lines[0] and len(lines) == 1, found.stderr


class TestWarmStart:
    def test_unknown_earlier_sweep_is_refused(self, folder):
        found = CliRunner().invoke(sweep, ["--dataset", "csv:ratings.csv", "--warm-start", "frist"])
        assert found.exit_code == 2 and "no sweeps" in found.stderr

    @pytest.mark.parametrize("dry", [[], ["--dry-run"]])
    def test_earlier_sweep_of_another_variant_is_refused(self, folder, dry):
        made_sweep(folder, "first", variant="image_hyper")
        found = CliRunner().invoke(
            sweep, ["--dataset", "csv:ratings.csv", "--warm-start", "first", "--name", "a", *dry]
        )
        assert found.exit_code == 2 and "searched image_hyper, not text_hyper" in found.stderr
        assert [path.name for path in (folder / "sweeps").iterdir()] == ["first"]


class TestFinishedSweepByName:
    @pytest.fixture
    def spool(self, elsewhere):
        made_sweep(elsewhere, "first", {"best": None})
        spool = Spool(elsewhere / "sweeps" / "first" / "spool")
        spool.append(Event("end", "sweep", {"status": "FINISHED"}))
        return spool

    def test_unsent_events_are_sent(self, spool, monkeypatch):
        taken = []
        sink = SimpleNamespace(send=taken.extend)
        monkeypatch.setattr("orchestrator.tracking.destination.TrackingDestination.open", lambda target: sink)
        found = CliRunner().invoke(sweep, ["--name", "first", "--json"])
        assert found.exit_code == 0 and json.loads(found.stdout) == {"best": None} and "finished" in found.stderr
        assert [event.kind for event in taken] == ["end"] and spool.count_unsent() == 0

    def test_unsent_events_are_reported_if_mlflow_is_away(self, spool, monkeypatch):
        def away(target):
            raise ConnectionError("nobody there")

        monkeypatch.setattr("orchestrator.tracking.destination.TrackingDestination.open", away)
        found = CliRunner().invoke(sweep, ["--name", "first", "--json"])
        assert found.exit_code == 0 and "nobody there" in found.stderr and spool.count_unsent() == 1


class TestScore:
    @pytest.mark.parametrize(
        "model, image, named",
        [
            ("absent", "00.png", "no sweeps"),
            ("unfinished", "00.png", "not finished"),
            ("unconfirmed", "00.png", "has no confirmed configuration"),
            ("broken", "00.png", "holds no file"),
        ],
    )
    def test_wrong_input(self, folder, model, image, named):
        if model != "absent":
            made_sweep(folder, "unfinished")
            made_sweep(folder, "unconfirmed", {"best": {"run": None}})
            made_sweep(folder, "broken", {"best": {"run": "confirm-0001"}})
            (folder / "sweeps" / "broken" / "trials" / "confirm-0001" / "model").mkdir(parents=True)
        found = CliRunner().invoke(score, [image, "--model", model, "--prompt", "a thing"])
        assert found.exit_code == 2 and named in found.stderr and found.stderr.count("\n") == 1, found.stderr


def test_interrupt_in_code_evaluated_from_a_string_is_exit_code_130(tmp_path):
    """CPython would otherwise kill the process by SIGINT at its end."""
    (tmp_path / "interrupted.py").write_text(
        "from orchestrator.core.cli import command\n"
        "@command\n"
        "def interrupted() -> None:\n"
        "    exec('raise KeyboardInterrupt')  # as in an import that makes a dataclass\n"
        "interrupted()\n",
        encoding="utf-8",
    )
    paths = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1])))
    process = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
        encoding="utf-8",
    )
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "Interrupted.\n")
