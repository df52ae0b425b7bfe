"""Sweeps from Python under a simulated Tune: result, resume, callbacks, errors, and the state of the process."""

import logging
import os
import random
import signal
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest

from orchestrator import Callback, InputError, SweepStopped, load_sweep, run_sweep
from orchestrator.core.errors import LedgerUnavailable
from orchestrator.search.ledger import Ledger
from tests.ratings import make_ratings

SMALL = {"name": "made", "trials": 2, "epochs": 2, "confirm": 1, "splits": 1, "pruner": "none"}


@pytest.fixture(scope="module")
def ratings(module_folder):
    return make_ratings(module_folder)


@pytest.fixture
def run(simulated_tune, ratings, tmp_path):
    """Run a small sweep in an empty folder; settings may be overridden."""

    def run(**settings):
        return run_sweep(
            **{"dataset": f"csv:{ratings}", "out": tmp_path / "sweeps", "quiet": True, **SMALL, **settings}
        )

    return run


def process_state():
    """Return everything of this process that a sweep must leave as it was."""
    import matplotlib
    import mlflow
    import torch

    loggers = [logging.getLogger(name) for name in ("", "mine", "ray", "mlflow", "optuna", "orchestrator")]
    return {
        "loggers": [(one.level, list(one.handlers), one.propagate, one.disabled) for one in loggers],
        "warnings": (list(warnings.filters), warnings.showwarning),
        "streams": (sys.stdout, sys.stderr, os.fstat(1).st_ino, os.fstat(2).st_ino),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "threads": torch.get_num_threads(),
        "backend": matplotlib.rcParams["backend"],
        "mlflow": mlflow.get_tracking_uri(),
    }


def assert_unchanged(before):
    after = process_state()
    assert [name for name in before if before[name] != after[name]] == []


class Counting(Callback):
    """Callback that counts epochs and prints the end of each job."""

    epochs = 0
    snapshot = None

    def on_epoch(self, job, epoch):
        self.epochs += 1

    def on_progress(self, snapshot):
        self.snapshot = snapshot

    def on_job_end(self, job, outcome, final, error):
        print(f"{job.key}: {outcome}")


class Failing:
    def on_epoch(self, job, epoch):
        raise ValueError("no")


def test_sweep_returns_its_tables_best_configuration_and_model_and_calls_the_callbacks(run, tmp_path, capfd):
    before, counting = process_state(), Counting()
    result = run(callbacks=[counting, Failing()])
    assert_unchanged(before)
    assert result.state == "finished" and result.result["name"] == "made"
    assert result.trials["study"].value_counts().to_dict() == {"confirm": 3, "search": 2, "control": 2}
    assert len(result.epochs.query("study == 'search'")) == 4
    best = result.trials.query("study == 'search'").set_index("key")["objective"].idxmax()
    assert (result.best.key, result.best.run) == (best, "confirm-0001")
    assert result.best_params == result.result["best"]["params"]
    table = result.scorer()([np.zeros((40, 40, 3), np.uint8)], "a scene")
    assert table["alignment"].notna().all()
    assert best in repr(result) and "\n" not in repr(result) and best in result._repr_html_()

    assert "SRCC" in result.plot.history().get_ylabel() and result.plot.curves(backend="plotly").data
    assert result.plot.predictions(backend="plotly").data
    with pytest.raises(InputError, match="backend is matplotlib or plotly, not 'bokeh'"):
        result.plot.history(backend="bokeh")
    assert "made" in result.report().read_text(encoding="utf-8")

    loaded = load_sweep("made", tmp_path / "sweeps")
    pd.testing.assert_frame_equal(loaded.trials, result.trials)
    assert loaded.best == result.best and loaded.settings == result.settings

    assert counting.snapshot.name == "made" and counting.snapshot.total == 7
    out, err = capfd.readouterr()
    assert counting.epochs == 13 and out.count("trial-0001: complete") == 1 and len(out.splitlines()) == 7
    assert err.splitlines() == ["Failing.on_epoch failed (ValueError: no); the sweep continues."]


def test_finished_sweep_is_returned_without_a_job_and_its_best_seeds_another(run, simulated_tune, monkeypatch):
    monkeypatch.setattr("orchestrator.sweeps.show_finished.upload_pending", lambda *arguments: None)
    result = run(trials=1, confirm=0)
    steps = len(simulated_tune.steps)
    assert run(trials=1, confirm=0).best == result.best and len(simulated_tune.steps) == steps
    again = run(name="again", trials=1, confirm=0, enqueue=[result.best_params])
    assert again.trials.query("study == 'search'")["key"].tolist() == ["trial-0000"]
    assert again.best_params == result.best_params


@pytest.mark.parametrize("quiet", [False, True])
def test_result_is_printed_by_the_run_and_by_a_repeated_call_unless_quiet(run, monkeypatch, capfd, quiet):
    monkeypatch.setattr("orchestrator.sweeps.show_finished.upload_pending", lambda *arguments: None)
    for _ in range(2):
        run(trials=1, confirm=0, quiet=quiet)
        err = capfd.readouterr().err
        assert ("text_hyper, trial 0" in err) != quiet
    assert ("The sweep made is finished." in err) != quiet


def test_process_is_as_it_was_after_an_error(run, monkeypatch):
    def away(*arguments):
        raise LedgerUnavailable("The ledger does not answer.")

    monkeypatch.setattr(Ledger, "report", away)
    before = process_state()
    with pytest.raises(SweepStopped, match="does not answer; nothing is lost. Resume with run_sweep"):
        run()
    assert_unchanged(before)


def test_interrupted_sweep_raises_and_is_resumed_by_the_same_call(run, simulated_tune, tmp_path):
    before = process_state()
    simulated_tune.before_step = lambda job: (
        os.kill(os.getpid(), signal.SIGINT) if not simulated_tune.steps[1:] else None
    )
    with pytest.raises(KeyboardInterrupt, match="Resume with run_sweep.name='made'"):
        run(trials=1, confirm=0)
    assert_unchanged(before)
    assert load_sweep("made", tmp_path / "sweeps").state == "interrupted"
    simulated_tune.before_step = lambda job: None
    assert run(trials=1, confirm=0).state == "finished"


def test_sweep_runs_in_a_thread_without_signal_handlers(run):
    results = []
    thread = threading.Thread(target=lambda: results.append(run(trials=1, confirm=0)))
    thread.start()
    thread.join()
    assert results[0].state == "finished"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trails": 3}, "Unknown setting 'trails': did you mean trials?"),
        ({"trials": 0}, "trials"),
        ({"variant": "text_hypr"}, "did you mean text_hyper"),
        ({"callbacks": [Callback]}, "callback Callback is not an object with a method"),
        ({"callbacks": [3]}, "callback int is not"),
        ({"enqueue": [{"lr": object()}]}, "enqueue: it cannot be written as JSON"),
    ],
)
def test_wrong_settings_are_input_errors_and_leave_nothing(run, settings, message, tmp_path):
    before = process_state()
    with pytest.raises(InputError, match=message):
        run(**settings)
    assert_unchanged(before)
    assert not (tmp_path / "sweeps").exists()


def test_data_frame_is_a_data_set(run, ratings, monkeypatch):
    monkeypatch.chdir(ratings.parent)
    frame = pd.read_csv("ratings.csv").set_index("image")
    result = run(dataset=frame, trials=1, confirm=0)
    assert result.state == "finished" and result.result["dataset"] == "csv:frame.csv"
    with pytest.raises(InputError, match="There is no plot of predictions"):
        result.plot.predictions()
    with pytest.raises(InputError, match="A sweep named made exists with other settings"):
        run(dataset=frame.assign(alignment=frame["alignment"] + 1), trials=1, confirm=0)
