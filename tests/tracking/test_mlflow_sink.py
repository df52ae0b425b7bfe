"""The sink against the real MLflow: on SQLite, and on a server of its own."""

import json
from pathlib import Path

import pytest
import requests
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import BAD_REQUEST, MlflowException

from orchestrator.execution.job import EpochReport
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG, MlflowSink
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Event
from orchestrator.tracking.uploader import Refused
from tests.tracking.tracked import Tracked, job, record_epoch, record_sweep, record_trial


def test_a_sweeps_runs_have_parents_params_metrics_and_status(tracked):
    record_sweep(tracked.recorder, trials=2)
    sink = tracked.send_all()
    runs = tracked.runs()
    assert set(runs) == {SWEEP, "trial-0000", "trial-0001"}
    sweep, trial = runs[SWEEP], runs["trial-0000"]
    assert (sweep.info.run_name, sweep.info.status, sweep.data.params) == ("my sweep", "FINISHED", {"sampler": "tpe"})
    assert (
        sweep.data.metrics == {"test_srcc": 0.5, "best_so_far_val_srcc": 0.3}
        and sweep.data.tags["mlflow.note.content"] == "# what"
    )
    assert (trial.info.run_name, trial.info.status) == ("trial-0000", "FINISHED")
    assert trial.data.tags["mlflow.parentRunId"] == sweep.info.run_id == sink.run_id(SWEEP)
    assert trial.data.tags[SWEEP_TAG] == tracked.sweep_id and trial.data.tags["outcome"] == "complete"
    assert trial.data.tags["mlflow.source.name"] == "test" and trial.data.tags["seed"] == "7"
    assert trial.data.params == {"variant": "text_hyper", **{k: str(v) for k, v in job(0).params.items()}}
    assert tracked.curve("trial-0000", "val_srcc") == [(n, n / 10, int((1.7e9 + n) * 1000)) for n in (1, 2, 3)]
    assert trial.data.metrics["best_val_srcc"] == 0.3
    files = {file.path for file in tracked.client.list_artifacts(trial.info.run_id, "checkpoint")}
    assert files == {"checkpoint/best-3.safetensors", "checkpoint/checkpoint.json"}
    assert tracked.client.get_experiment(sink.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_same_events_twice_make_the_same_runs_and_points(tracked):
    record_sweep(tracked.recorder, trials=2)
    first = tracked.send_all()
    before = {key: (run.info.run_id, run.data.params, run.data.metrics) for key, run in tracked.runs().items()}
    curves = {metric: tracked.curve("trial-0001", metric) for metric in ("val_srcc", "m3", "best_val_srcc")}
    for sink in (first, tracked.sink()):  # the same process resumes, or another one
        sink.send(tracked.spool.read()[0])
        after = {key: (run.info.run_id, run.data.params, run.data.metrics) for key, run in tracked.runs().items()}
        assert after == before
        assert {metric: tracked.curve("trial-0001", metric) for metric in curves} == curves
        assert all(run.info.status == "FINISHED" for run in tracked.runs().values())


def test_events_sent_singly_make_the_same_runs_as_in_one_batch(tracked):
    record_sweep(tracked.recorder, trials=1)
    for event in tracked.spool.read()[0]:
        tracked.sink().send([event])
    trial = tracked.runs()["trial-0000"]
    assert trial.info.status == "FINISHED" and len(tracked.curve("trial-0000", "m1")) == 3
    assert trial.data.tags["outcome"] == "complete"


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_status_and_tag(tracked, outcome):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    error = "Traceback …\n" * 2000 if outcome is Outcome.FAILED else None
    record_trial(tracked.recorder, job(0), outcome, error=error)
    tracked.send_all()
    run = tracked.runs()["trial-0000"]
    assert run.data.tags["outcome"] == str(outcome)
    assert run.info.status == ("FINISHED" if outcome in {Outcome.COMPLETE, Outcome.PRUNED} else "FAILED")
    assert run.data.tags.get("error", "").endswith("Traceback …\n") == (outcome is Outcome.FAILED)
    files = {file.path for file in tracked.client.list_artifacts(run.info.run_id)}
    assert ("error.txt" in files) == (outcome is Outcome.FAILED)


def test_an_interrupted_trial_resumes_in_the_same_run(tracked):
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    recorder.on_job_start(job(0))
    recorder.on_epoch(job(0), EpochReport(1, 0.1, {"val_srcc": 0.1}, 1.0, 1.7e9 + 1))
    recorder.on_job_interrupted(job(0))
    recorder.record("end", SWEEP, status="KILLED")
    tracked.send_all()
    before = tracked.runs()
    assert {run.info.status for run in before.values()} == {"KILLED"}
    sent = len(tracked.spool.read()[0])
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    recorder.on_job_start(job(0))
    sink = tracked.sink()
    sink.send(tracked.spool.read()[0][sent:])
    assert {run.info.status for run in tracked.runs().values()} == {"RUNNING"}
    sent = len(tracked.spool.read()[0])
    recorder.on_epoch(job(0), EpochReport(2, 0.2, {"val_srcc": 0.2}, 1.0, 1.7e9 + 2))
    recorder.on_job_end(job(0), Outcome.COMPLETE, {}, None)
    sink.send(tracked.spool.read()[0][sent:])
    run = tracked.runs()["trial-0000"]
    assert run.info.run_id == before["trial-0000"].info.run_id and run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "complete"
    assert [value for _, value, _ in tracked.curve("trial-0000", "val_srcc")] == [0.1, 0.2]


def test_a_sweep_may_be_resumed_with_other_resources(tracked):
    """MLflow never lets a parameter change; an event that it refuses for good must not hold up the rest."""
    for concurrency in (1, 2):
        params = {"sampler": "tpe", "concurrency": concurrency, **({"new": 3} if concurrency == 2 else {})}
        tracked.recorder.record("start", SWEEP, name="s", params=params, tags={})
        tracked.recorder.record("metrics", SWEEP, step=concurrency, metrics={"a": 0.5})
        tracked.send_all()
    assert tracked.runs()[SWEEP].data.params == {"sampler": "tpe", "concurrency": "1", "new": "3"}
    assert [step for step, _, _ in tracked.curve(SWEEP, "a")] == [1, 2]


def test_characters_that_mlflow_rejects_are_replaced_in_names(tracked):
    """Targets are columns of anybody's CSV."""
    tracked.recorder.record("start", SWEEP, name="s", params={"a (%)": 1}, tags={"b (%)": 2})
    tracked.recorder.record("metrics", SWEEP, step=1, metrics={"val_srcc_aesthetic (0–5)": 0.5, "val_srcc": 0.4})
    tracked.send_all()
    run = tracked.runs()[SWEEP]
    assert run.data.metrics == {"val_srcc_aesthetic _0_5_": 0.5, "val_srcc": 0.4}
    assert run.data.params == {"a ___": "1"} and run.data.tags["b ___"] == "2"


def test_a_batch_larger_than_one_request_is_split(tracked):
    params = {f"p{n}": "v" * 7000 for n in range(250)}
    tracked.recorder.record("start", SWEEP, name="s", params=params, tags={f"t{n}": "v" * 9000 for n in range(150)})
    for step in range(500):
        tracked.recorder.record(
            "metrics", SWEEP, time_ms=1000 + step, step=step, metrics={f"m{n}": 1 for n in range(5)}
        )
    tracked.send_all()
    run = tracked.runs()[SWEEP]
    assert len(run.data.params) == 250 and {len(v) for v in run.data.params.values()} == {6000}
    assert len([tag for tag in run.data.tags if tag.startswith("t")]) == 150
    assert len(tracked.curve(SWEEP, "m4")) == 500


def test_the_data_set_is_an_input_of_the_run(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    data = {
        "name": "shapes",
        "digest": "d" * 64,
        "rows": 96,
        "source": "shapes",
        "columns": [["image", "string"], ["alignment", "double"]],
        "split": {"protocol": "disjoint", "train": 60, "validation": 18, "test": 18, "quarantined": 0},
    }
    tracked.recorder.record("dataset", SWEEP, **data)
    tracked.send_all()
    tracked.send_all()
    (found,) = tracked.run(SWEEP).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("shapes", "d" * 32)
    assert json.loads(found.dataset.profile) == {"num_rows": 96, **data["split"]}
    assert json.loads(found.dataset.schema)["mlflow_colspec"][1]["name"] == "alignment"


def test_a_second_data_set_is_an_input_for_testing(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    data = {"name": "shapes", "digest": "d" * 64, "rows": 96, "source": "shapes", "columns": [], "split": {}}
    tracked.recorder.record("dataset", SWEEP, **data)
    tracked.recorder.record("dataset", SWEEP, **data | {"name": "other", "digest": "e" * 64, "context": "testing"})
    tracked.send_all()
    inputs = tracked.run(SWEEP).inputs.dataset_inputs
    contexts = {found.dataset.name: found.tags[0].value for found in inputs}
    assert contexts == {"shapes": "training", "other": "testing"}


def test_files_and_folders_are_uploaded_and_missing_ones_skipped(tracked, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "result.md").write_text("# fine", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text("a: 1", encoding="utf-8")
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    for path, into in (("report", "report"), ("gone", "report"), ("spec.yaml", "sweep")):
        tracked.recorder.record("artifacts", SWEEP, path=str(tmp_path / path), into=into)
    tracked.recorder.record("end", SWEEP, status="FINISHED")
    tracked.send_all()
    run = tracked.run(SWEEP)
    assert run.info.status == "FINISHED"
    local = Path(tracked.client.download_artifacts(run.info.run_id, "report/result.md", str(tmp_path)))
    assert local.read_text(encoding="utf-8") == "# fine"
    assert [f.path for f in tracked.client.list_artifacts(run.info.run_id, "sweep")] == ["sweep/spec.yaml"]


def test_two_sweeps_share_an_experiment_and_not_their_runs(tracked):
    record_sweep(tracked.recorder)
    sink = tracked.send_all()
    other = MlflowSink(tracked.uri, tracked.experiment, "other", source="test")
    assert other.experiment_id == sink.experiment_id and other.run_id(SWEEP) is None
    other.send(tracked.spool.read()[0])
    assert other.run_id("trial-0000") != sink.run_id("trial-0000") == tracked.sink().run_id("trial-0000")


def test_a_deleted_experiment_is_restored(tracked):
    experiment = tracked.client.create_experiment(tracked.experiment)
    tracked.client.delete_experiment(experiment)
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    assert tracked.send_all().experiment_id == experiment and SWEEP in tracked.runs()


def test_a_model_is_logged_once_in_the_experiment_of_its_run(tracked, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"made": "up"}', encoding="utf-8")
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={"sampler": "tpe"}, tags={})
    for path in ("model", "gone"):
        recorder.record("model", SWEEP, path=str(tmp_path / path), name="text_hyper-trial-0", targets=["alignment"])
    sink = tracked.send_all()
    tracked.send_all()
    (model,) = tracked.client.search_logged_models([sink.experiment_id])
    assert (model.name, model.source_run_id, str(model.status)) == ("text_hyper-trial-0", sink.run_id(SWEEP), "READY")
    assert model.params == {"sampler": "tpe"}
    (output,) = tracked.run(SWEEP).outputs.model_outputs
    assert output.model_id == model.model_id


@pytest.mark.parametrize("linked", [False, True])
def test_a_partly_logged_model_is_logged_again(tracked, tmp_path, linked):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}", encoding="utf-8")
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    sink = tracked.send_all()
    begun = tracked.client.create_logged_model(sink.experiment_id, "m", sink.run_id(SWEEP))
    if linked:
        tracked.client.log_outputs(sink.run_id(SWEEP), [LoggedModelOutput(begun.model_id, 0)])
    tracked.recorder.record("model", SWEEP, path=str(tmp_path / "model"), name="m", targets=["alignment"])
    tracked.send_all()
    (model,) = tracked.client.search_logged_models([sink.experiment_id])
    assert model.model_id != begun.model_id and str(model.status) == "READY"
    assert model.model_id in {output.model_id for output in tracked.run(SWEEP).outputs.model_outputs}


def test_a_trial_takes_few_requests(server, tmp_path, monkeypatch, record_property):
    """The stock recipe needed about 125 a trial."""
    tracked, sent = Tracked(server, tmp_path), []
    send = requests.Session.send
    monkeypatch.setattr(requests.Session, "send", lambda *a, **k: (sent.append(a[1].url), send(*a, **k))[1])
    trials, epochs = 8, 15
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    sink = tracked.sink()
    sink.send(tracked.spool.read()[0])
    before, place = len(sent), 1
    for number in range(trials):
        record_trial(tracked.recorder, job(number), epochs=epochs)
        # As a drain that wakes four times while a trial trains.
        events = tracked.spool.read(limit=10**6)[0][place:]
        place += len(events)
        quarter = -(-len(events) // 4)
        for start in range(0, len(events), quarter):
            sink.send(events[start : start + quarter])
    each = (len(sent) - before) / trials
    record_property("requests_a_trial", each)
    print(
        f"\n{each:.1f} requests a trial of {epochs} epochs, of which artifacts take "
        f"{sum('mlflow-artifacts' in url for url in sent) / trials:.1f}"
    )
    assert each < 15
    assert len(tracked.curve("trial-0003", "val_srcc")) == epochs


def test_invalid_events_are_refused_and_the_others_arrive(tracked):
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={"a": 1}, tags={})
    tracked.uploader().finish(0)
    recorder.record("params", SWEEP, params={"a": 2})  # MLflow never lets a parameter change
    recorder.record("metrics", SWEEP, step=1, metrics={"b": 0.5})
    record_trial(recorder, job(0))
    recorder.record("end", SWEEP, status="FINISHED")
    with pytest.raises(Refused) as caught:
        tracked.sink().send(tracked.spool.read()[0])
    ((event, reason),) = caught.value.events
    assert (event.kind, event.data) == ("params", {"params": {"a": 2}}) and "a" in reason
    runs = tracked.runs()
    assert runs[SWEEP].data.params == {"a": "1"} and runs[SWEEP].data.metrics == {"b": 0.5, "best_so_far_val_srcc": 0.3}
    assert runs[SWEEP].info.status == runs["trial-0000"].info.status == "FINISHED"


def test_an_uploader_stores_refused_events_and_continues(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={"a": 1}, tags={})
    tracked.uploader().finish(0)
    tracked.recorder.record("params", SWEEP, params={"a": 2})
    tracked.recorder.record("end", SWEEP, status="FINISHED")
    uploader = tracked.uploader()
    assert uploader.finish(0) == 0 and uploader.error is None and tracked.spool.refused() == 1
    (line,) = (tracked.spool.folder / "refused.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"]["data"] == {"params": {"a": 2}} and json.loads(line)["reason"]
    assert tracked.runs()[SWEEP].info.status == "FINISHED"


def test_a_deleted_run_stays_deleted_and_the_others_continue(tracked):
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    for number in (0, 1):
        recorder.on_job_start(job(number))
        record_epoch(recorder, job(number), 1)
    uploader = tracked.uploader()
    assert uploader.finish(0) == 0
    tracked.client.delete_run(uploader.sink.run_id("trial-0000"))
    for fresh in (False, True):  # the sink that is open learns of it from MLflow, another one when it is opened
        before = tracked.spool.refused()
        for number in (0, 1):
            record_epoch(recorder, job(number), 3 if fresh else 2)
        uploader = tracked.uploader() if fresh else uploader
        assert uploader.finish(0) == 0 and uploader.error is None and tracked.spool.refused() == before + 1
    assert set(tracked.runs()) == {SWEEP, "trial-0001"} and len(tracked.curve("trial-0001", "m1")) == 3
    assert "deleted in MLflow" in (tracked.spool.folder / "refused.jsonl").read_text(encoding="utf-8")


def test_an_experiment_deleted_during_a_sweep_is_restored_with_its_runs(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    uploader = tracked.uploader()
    assert uploader.finish(0) == 0
    tracked.client.delete_experiment(uploader.sink.experiment_id)
    tracked.recorder.record("metrics", SWEEP, step=1, metrics={"a": 1})
    assert uploader.finish(10) == 0 and tracked.spool.refused() == 0
    assert tracked.runs()[SWEEP].data.metrics == {"a": 1}


def test_the_empty_duplicate_of_a_run_is_deleted(tracked):
    """A request that timed out is done nevertheless, after the run was looked for and made again."""
    record_sweep(tracked.recorder)
    sink = tracked.send_all()
    tags = {SWEEP_TAG: tracked.sweep_id, KEY_TAG: "trial-0000"}
    tracked.client.create_run(sink.experiment_id, start_time=1, tags=tags)
    assert tracked.sink().run_id("trial-0000") == sink.run_id("trial-0000")
    assert set(tracked.runs()) == {SWEEP, "trial-0000"}


def test_a_resent_point_is_not_logged_under_a_second_time(tracked):
    recorder = tracked.recorder
    record_sweep(recorder)
    sink = tracked.send_all()
    before = tracked.shown()
    more = [
        Event("metrics", "trial-0000", {"step": 2, "metrics": {"m1": 0.2, "val_srcc": 0.9}, "retold": True}),
        Event("metrics", "trial-0000", {"step": 0, "metrics": {"best_val_srcc": 0.3}, "retold": True}),
    ]
    sink.send(more)
    assert tracked.shown() == before
    sink.send([Event("metrics", "trial-0000", {"step": 4, "metrics": {"m1": 0.4}, "retold": True}, 5)])
    assert tracked.curve("trial-0000", "m1")[-1] == (4, 0.4, 5)


def test_a_run_created_without_its_start_event_gets_its_name_later(tracked):
    record_epoch(tracked.recorder, job(0), 1)
    sink = tracked.send_all()
    assert tracked.run("trial-0000").info.run_name == "trial-0000"
    sink.send([Event("start", SWEEP, {"name": "mine", "params": {"a": 1}})])
    tracked.recorder.on_job_start(job(0))
    sink.send(tracked.spool.read()[0][1:])
    trial = tracked.run("trial-0000")
    assert trial.info.run_name == "trial-0000" and trial.data.params["depth"] == "2" and trial.data.tags["seed"] == "7"
    assert tracked.run(SWEEP).info.run_name == "mine"
    assert trial.data.tags["mlflow.parentRunId"] == tracked.run(SWEEP).info.run_id


def test_nul_is_removed_from_texts(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={"a": "x\x00y"}, tags={"b": "\x00"})
    tracked.send_all()
    assert tracked.run(SWEEP).data.params == {"a": "xy"}


class BadRequests:
    """MLflow's answer BAD_REQUEST to the points of one step, or to every write."""

    def __init__(self, sink, monkeypatch):
        self.everything, self.asked = False, 0
        for name in ("log_batch", "set_tag", "set_experiment_tag"):
            monkeypatch.setattr(sink._client, name, self._guarded(getattr(sink._client, name)))

    def _guarded(self, method):
        def guarded(*arguments, **options):
            bad = any(metric.step == 2 for metric in options.get("metrics", ()))
            if bad or self.everything:
                self.asked += 1
                raise MlflowException("it is bad", error_code=BAD_REQUEST)
            return method(*arguments, **options)

        return guarded


def send_steps(tracked, monkeypatch):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    uploader = tracked.uploader()
    assert uploader.finish(0) == 0
    bad = BadRequests(uploader.sink, monkeypatch)
    for step in (1, 2, 3):
        tracked.recorder.record("metrics", SWEEP, step=step, metrics={"a": 0.5})
    return uploader, bad


def test_an_event_that_is_a_bad_request_is_set_aside_and_the_others_arrive(tracked, monkeypatch):
    uploader, bad = send_steps(tracked, monkeypatch)
    assert uploader.finish(0) == 0 and uploader.error is None
    assert [step for step, _, _ in tracked.curve(SWEEP, "a")] == [1, 3]
    (line,) = (tracked.spool.folder / "refused.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"]["data"]["step"] == 2 and "it is bad" in json.loads(line)["reason"]
    assert bad.asked == 3  # in the batch, alone, and once more after another write


def test_bad_requests_of_a_database_that_is_away_refuse_nothing(tracked, monkeypatch):
    uploader, bad = send_steps(tracked, monkeypatch)
    bad.everything = True
    assert uploader.finish(0) == 3 and "it is bad" in uploader.error and tracked.spool.refused() == 0
    monkeypatch.undo()
    assert uploader.finish(0) == 0 and tracked.spool.refused() == 0
    assert [step for step, _, _ in tracked.curve(SWEEP, "a")] == [1, 2, 3]
