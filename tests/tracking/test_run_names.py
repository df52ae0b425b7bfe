"""Names of runs and metrics in MLflow, and curves of the best so far."""

from orchestrator.execution.job import Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.run_names import RunNames, trained_name, validation_of
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool

TRIAL = Job("search", 3, "text_hyper", None, {}, {"epochs": 2}, 0, 7, False)
CONFIRM = Job("confirm", 5, "text_hyper", None, {}, {"epochs": 2}, 2, 9, True, source="trial-0003")


def test_validation_metrics_of_confirm_runs_have_a_prefix():
    metrics = {"val_srcc": 0.1, "best_val_srcc_quality": 0.2, "train_loss": 0.3, "test_srcc": 0.4, "best_epoch": 5}
    names = RunNames()
    assert names.metrics(TRIAL, metrics) == metrics
    logged = names.metrics(CONFIRM, metrics)
    expected = ["confirm_val_srcc", "confirm_best_val_srcc_quality", "train_loss", "test_srcc", "best_epoch"]
    assert list(logged) == expected
    assert {trained_name(name): value for name, value in logged.items()} == metrics


def test_a_confirm_runs_validation_is_read_under_either_name():
    assert validation_of({"confirm_best_val_srcc": 0.5, "best_val_plcc": 0.6}, "srcc") == 0.5
    assert validation_of({"best_val_plcc": 0.6}, "plcc") == 0.6
    assert validation_of({}, "srcc") is None


def test_a_sweep_of_an_earlier_version_keeps_its_names(tmp_path):
    spool = Spool(tmp_path / "spool")
    Recorder(spool, tmp_path).record("start", "trial-0000", name="trial 0", params={}, tags={})
    recorder = Recorder(spool, tmp_path, index=index_spool(spool))
    recorder.on_job_start(CONFIRM)
    recorder.on_job_end(CONFIRM, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
    own = [event.data for event in spool.read()[0] if event.run == CONFIRM.key]
    assert own[0]["name"] == "confirm trial 3, split 2"
    assert own[1]["metrics"] == {"best_val_srcc": 0.5}


def test_the_best_so_far_continues_after_a_resume_and_counts_each_trial_once(tmp_path):
    spool = Spool(tmp_path / "spool")
    ends = [(0, 0.4), (1, None), (2, 0.3), (3, 0.6)]
    for number, objective in ends:
        recorder = Recorder(spool, tmp_path, index=index_spool(spool))  # each time as a new process
        job = Job("search", number, "text_hyper", None, {}, {"epochs": 2}, 0, 7, False)
        recorder.on_job_start(job)
        recorder.on_job_interrupted(job)
        for _ in range(2):
            recorder.on_job_end(job, Outcome.PRUNED, {} if objective is None else {"best_val_srcc": objective}, None)
    curve = [(e.data["step"], e.data["metrics"]["best_so_far_val_srcc"]) for e in spool.read()[0] if e.run == SWEEP]
    assert curve == [(1, 0.4), (2, 0.4), (3, 0.4), (4, 0.6)]
