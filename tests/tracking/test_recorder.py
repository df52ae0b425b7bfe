"""The recorder's events."""

import json
import math
from pathlib import Path

import pytest

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import STATUS, SWEEP, Recorder
from orchestrator.tracking.run_details import RunDetails
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool

TRIAL = Job("search", 3, "text_hyper", None, {}, {"epochs": 2}, 0, 7, False, params={"lr": 0.1, "depth": 2})
CONTROL = Job("control", 1, "plain_head", "text_hyper", {}, {"epochs": 2}, 0, 7, False, params={"lr": 0.2})
CONFIRM = Job("confirm", 5, "text_hyper", None, {}, {"epochs": 2}, 2, 9, True, source="trial-0003")
BASELINES = Job("confirm", 0, "", None, {}, {"epochs": 1}, 1, 8, True)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def recorder(spool, tmp_path):
    return Recorder(spool, tmp_path / "trials")


def told(spool):
    return [(event.kind, event.run, event.data) for event in spool.read()[0]]


class TestRecorder:
    def test_the_events_of_a_trial_from_start_to_end(self, recorder, spool, tmp_path):
        folder = tmp_path / "trials" / TRIAL.key
        folder.mkdir(parents=True)
        for name in (
            "best-1.safetensors",
            "last-1.safetensors",
            "checkpoint.json",
            ".lock",
            "epochs.draft",
            "worker.json",
        ):
            (folder / name).write_text(name, encoding="utf-8")
        recorder.on_job_start(TRIAL)
        recorder.on_epoch(TRIAL, EpochReport(1, 0.5, {"val_srcc": 0.5, "train_loss": 0.3}, 1.5, 1234.5678))
        recorder.on_job_end(TRIAL, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
        key = "trial-0003"
        found = told(spool)
        _, _, artifacts = found.pop(4)
        assert found == [
            (
                "start",
                key,
                {
                    "name": "trial-0003",
                    "params": {"variant": "text_hyper", "lr": 0.1, "depth": 2},
                    "tags": {"study": "search", "split": 0, "seed": 7},
                },
            ),
            ("metrics", key, {"step": 1, "metrics": {"val_srcc": 0.5, "train_loss": 0.3}}),
            ("metrics", key, {"step": 0, "metrics": {"best_val_srcc": 0.5}}),
            ("tags", key, {"tags": {"outcome": "complete"}}),
            ("end", key, {"status": "FINISHED"}),
            ("metrics", SWEEP, {"step": 1, "metrics": {"best_so_far_val_srcc": 0.5}}),
        ]
        assert spool.read()[0][1].time == 1234567
        kept = Path(artifacts["path"])
        assert artifacts["into"] == "checkpoint" and kept.is_relative_to(spool.folder)
        assert {file.name for file in kept.iterdir()} == {"best-1.safetensors", "checkpoint.json"}
        assert (kept / "checkpoint.json").samefile(folder / "checkpoint.json")

    def test_a_run_has_tags_provenance_and_data_set(self, spool, tmp_path):
        def details(job):
            return RunDetails({"host": "here"}, {"split_hash": f"of {job.split}"}, {"name": "shapes"})

        recorder = Recorder(spool, tmp_path / "trials", details)
        for job in (TRIAL, CONFIRM, TRIAL):
            recorder.on_job_start(job)
        found = told(spool)
        tags = [data["tags"] for kind, _, data in found if kind == "start"]
        assert tags[0] == {"host": "here", "study": "search", "split": 0, "seed": 7}
        files = [(run, data["into"], json.loads(data["text"])) for kind, run, data in found if kind == "text"]
        assert files[:2] == [
            (TRIAL.key, "provenance.json", {"split_hash": "of 0"}),
            (CONFIRM.key, "provenance.json", {"split_hash": "of 2"}),
        ]
        assert len(files) == 3, "a resumed trial may run with other versions"
        assert [(run, data) for kind, run, data in found if kind == "dataset"] == [
            (TRIAL.key, {"name": "shapes"}),
            (CONFIRM.key, {"name": "shapes"}),
        ]

    def test_a_job_on_another_node_has_that_nodes_tags(self, spool, tmp_path):
        recorder = Recorder(spool, tmp_path / "trials", lambda job: RunDetails({"host": "driver", "cpus": "2"}))
        recorder.on_job_start(TRIAL)
        recorder.on_epoch(TRIAL, EpochReport(1, 0.5, {"a": 0.5}, 1.0, 1.0, place={"host": "driver", "cpus": "2"}))
        assert "tags" not in {kind for kind, _, _ in told(spool)}
        recorder.on_epoch(TRIAL, EpochReport(2, 0.5, {"a": 0.5}, 1.0, 1.0, place={"host": "worker", "cpus": "8"}))
        recorder.on_epoch(TRIAL, EpochReport(3, 0.5, {"a": 0.5}, 1.0, 1.0))
        assert [data["tags"] for kind, _, data in told(spool) if kind == "tags"] == [{"host": "worker", "cpus": "8"}]

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_outcome_has_a_status_and_a_tag(self, recorder, spool, outcome):
        recorder.on_job_end(TRIAL, outcome, {}, "Traceback\nboom" if outcome is Outcome.FAILED else None)
        kinds = {kind: data for kind, _, data in told(spool)}
        assert kinds["tags"]["tags"]["outcome"] == str(outcome)
        assert kinds["tags"]["tags"].get("error") == ("Traceback\nboom" if outcome is Outcome.FAILED else None)
        good = outcome in {Outcome.COMPLETE, Outcome.PRUNED}
        assert kinds["end"]["status"] == STATUS[outcome] == ("FINISHED" if good else "FAILED")

    def test_the_rule_decides_which_checkpoints_are_uploaded(self, spool, tmp_path):
        folder = tmp_path / "trials" / TRIAL.key
        folder.mkdir(parents=True)
        (folder / "checkpoint.json").write_text("{}", encoding="utf-8")
        asked = []
        recorder = Recorder(
            spool, tmp_path / "trials", uploads=lambda job, outcome: asked.append((job, outcome)) or True
        )
        recorder.on_job_end(TRIAL, Outcome.PRUNED, {}, None)
        assert asked == [(TRIAL, Outcome.PRUNED)] and "artifacts" in {kind for kind, _, _ in told(spool)}

    def test_a_stopped_trial_has_a_tag_with_its_epoch(self, recorder, spool):
        for number in (1, 2):
            recorder.on_epoch(TRIAL, EpochReport(number, 0.5, {"val_srcc": 0.5}, 1.0, 1.0 + number))
        recorder.on_job_end(TRIAL, Outcome.PRUNED, {"best_val_srcc": 0.5}, None)
        assert index_spool(spool).runs[TRIAL.key].tags == {"outcome": "pruned", "stopped_at_epoch": 2}

    def test_a_long_traceback_is_a_file_and_its_end_a_tag(self, recorder, spool):
        error = "frame\n" * 2000 + "ValueError: boom"
        recorder.on_job_end(TRIAL, Outcome.FAILED, {}, error)
        found = {kind: data for kind, _, data in told(spool)}
        assert found["text"] == {"text": error, "into": "error.txt"}
        tag = found["tags"]["tags"]["error"]
        assert tag.endswith("ValueError: boom") and len(tag) < 4100

    def test_notes_are_collected_over_restarts(self, recorder, spool, tmp_path):
        recorder.on_message(TRIAL, "one")
        again = Recorder(spool, tmp_path / "trials", index=index_spool(spool))
        again.on_message(TRIAL, "two")
        again.on_message(TRIAL, "one")
        assert [data["tags"]["notes"] for _, _, data in told(spool)] == ["one", "one\ntwo"]

    def test_no_epoch_and_no_final_metric_is_recorded_twice(self, recorder, spool, tmp_path):
        """A restart may train an epoch again at another time."""
        recorder.on_epoch(TRIAL, EpochReport(1, 0.5, {"val_srcc": 0.5}, 1.0, 1.0))
        recorder.on_job_end(TRIAL, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
        again = Recorder(spool, tmp_path / "trials", index=index_spool(spool))
        for one in (recorder, again):
            one.on_epoch(TRIAL, EpochReport(1, 0.5, {"val_srcc": 0.5}, 1.0, 99.0))
            one.on_job_end(TRIAL, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
        metrics = [event for event in spool.read()[0] if event.kind == "metrics" and event.run != SWEEP]
        assert [(event.data["step"], event.time) for event in metrics] == [(1, 1000), (0, 1000)]

    def test_files_that_cannot_be_staged_end_no_trial(self, recorder, spool, tmp_path, monkeypatch):
        folder = tmp_path / "trials" / TRIAL.key
        folder.mkdir(parents=True)
        (folder / "checkpoint.json").write_text("{}", encoding="utf-8")

        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.link", full)
        monkeypatch.setattr("shutil.copy2", full)
        recorder.on_job_end(TRIAL, Outcome.COMPLETE, {}, None)
        assert told(spool)[-1] == ("end", TRIAL.key, {"status": "FINISHED"}) and not (spool.folder / "files").exists()

    def test_only_a_complete_run_with_a_folder_has_a_checkpoint_to_log(self, recorder, spool, tmp_path):
        recorder.on_job_end(TRIAL, Outcome.COMPLETE, {}, None)
        (tmp_path / "trials" / TRIAL.key).mkdir(parents=True)
        recorder.on_job_end(TRIAL, Outcome.PRUNED, {}, None)
        assert "artifacts" not in {kind for kind, _, _ in told(spool)}

    def test_control_confirm_and_baselines_have_their_tags(self, recorder, spool):
        for job in (CONTROL, CONFIRM, BASELINES):
            recorder.on_job_start(job)
        control, confirm, baselines = (data for _, _, data in told(spool))
        assert (control["name"], control["tags"]["control_of"]) == ("control-0001", "text_hyper")
        assert (confirm["name"], confirm["tags"]["source"]) == ("trial-0003-split-02", "trial-0003")
        assert (baselines["name"], baselines["params"]) == ("baselines-split-01", {"variant": "baselines"})

    def test_a_metric_that_is_not_finite_is_omitted(self, recorder, spool):
        metrics = {"val_srcc": math.nan, "train_loss": math.inf, "lr": 0.1}
        recorder.on_epoch(TRIAL, EpochReport(1, math.nan, metrics, 1.0, 1.0, diverged=True))
        assert told(spool)[0][2]["metrics"] == {"lr": 0.1}

    def test_an_interrupted_run_is_killed_until_the_resume(self, recorder, spool):
        recorder.on_job_interrupted(TRIAL)
        assert told(spool) == [
            ("tags", "trial-0003", {"tags": {"outcome": "interrupted"}}),
            ("end", "trial-0003", {"status": "KILLED"}),
        ]
