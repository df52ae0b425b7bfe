"""Whole sweeps under a simulated Tune: search, confirm runs, result, interruption, errors and resume."""

import errno
import json
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager

import pytest
import typer

from orchestrator.core.cli import FAILED, INTERRUPTED
from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.core.spec import build_spec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution import sweep_context
from orchestrator.search.ledger import Ledger
from orchestrator.search.read_ledger import read_studies
from orchestrator.sweeps.start_or_resume import resume_sweep, start_or_resume
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from tests.ratings import make_ratings

EPOCHS = 2
STEPS = {
    **{f"{arm}-{number:04d}": EPOCHS for arm in ("trial", "control") for number in range(2)},
    "confirm-0000": 1,  # baselines
    "confirm-0001": EPOCHS,
    "confirm-0002": EPOCHS,
}
"""Steps of each job of the sweep."""


@pytest.fixture(scope="module")
def ratings(module_folder):
    return make_ratings(module_folder)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "sweeps"


@pytest.fixture
def start(simulated_tune, ratings, out):
    def start(**settings):
        small = {"trials": 2, "epochs": EPOCHS, "confirm": 1, "splits": 1, "pruner": "none"}
        spec = build_spec({"name": "made", "dataset": f"csv:{ratings}", **small, **settings})
        start_or_resume(spec, out, dry_run=False, as_json=False, allow_changed=False)

    return start


def resume(out):
    resume_sweep("made", out, trials=None, given={}, as_json=False, allow_changed=False)


def at_step(executor, number, action):
    """Call `action` before the step of this number, counted from 1."""

    def before_step(job):
        if len(executor.steps) == number:
            action()

    executor.before_step = before_step


def sweep_run(out):
    return index_spool(Spool(Workspace(out / "made").spool)).runs[SWEEP]


def assert_complete(out, executor):
    """Assert that the sweep has a result, and that every epoch was trained once by one of its runs."""
    workspace = Workspace(out / "made")
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    assert (result["budget"], result["counts"]["complete"], result["best"]["run"]) == (2, 2, "confirm-0001")
    assert result["slots"]["count"] == executor.slots and result["control"]["run"] == "confirm-0002"
    assert (result["slots"]["cpus"], result["slots"]["gpus"]) == (1.0, 0.0)
    assert sweep_run(out).tags["outcome"] == "complete" and not sweep_run(out).open
    assert (workspace.report / "result.md").is_file()
    for key, steps in STEPS.items():
        if steps > 1:
            assert len((workspace.trials / key / "epochs.jsonl").read_text(encoding="utf-8").splitlines()) == EPOCHS
    studies = read_studies(workspace)
    assert {study: len(trials) for study, trials in studies.items()} == {"search": 2, "control": 2, "confirm": 3}


def test_sweep_searches_confirms_and_writes_its_result(simulated_tune, start, out):
    start()
    assert Counter(simulated_tune.steps) == STEPS
    assert_complete(out, simulated_tune)


def test_finished_sweep_prints_its_result_without_a_job(simulated_tune, start, out, capsys, monkeypatch):
    start()
    simulated_tune.steps.clear()
    monkeypatch.setattr("orchestrator.sweeps.show_finished.upload_pending", lambda *arguments: None)
    resume(out)
    assert simulated_tune.steps == [] and "is finished" in capsys.readouterr().err


def test_context_of_the_jobs_is_built_once(simulated_tune, start, monkeypatch):
    make_context, contexts = sweep_context.make_context, []

    def counted(*arguments, **options):
        contexts.append(make_context(*arguments, **options))
        return contexts[-1]

    monkeypatch.setattr(sweep_context, "make_context", counted)
    start(cpus_per_trial=2)
    assert [context.threads for context in contexts] == [2]


@pytest.mark.parametrize("step", [1, 3, 8])
def test_interrupted_sweep_is_resumed_from_its_checkpoints(simulated_tune, start, out, step):
    at_step(simulated_tune, step, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED
    assert not Workspace(out / "made").result.exists()
    assert sweep_run(out).tags["outcome"] == "interrupted" and not sweep_run(out).open
    resume(out)
    assert_complete(out, simulated_tune)


def test_sweep_with_a_full_disk_stops_and_is_resumed(simulated_tune, start, out, capfd):
    def fill_disk():
        raise OSError(errno.ENOSPC, "No space left on device")

    at_step(simulated_tune, 3, fill_disk)
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == FAILED
    assert "The disk is full" in capfd.readouterr().out
    assert sweep_run(out).tags["outcome"] == "interrupted"
    resume(out)
    assert_complete(out, simulated_tune)


@pytest.mark.parametrize("method", ["ask", "report", "finish"])
def test_sweep_that_loses_its_ledger_stops_and_is_resumed(simulated_tune, start, out, capfd, method):
    def unavailable(*arguments, **options):
        raise LedgerUnavailable("The ledger does not answer.")

    with pytest.MonkeyPatch.context() as patch:
        at_step(simulated_tune, 2, lambda: patch.setattr(Ledger, method, unavailable))
        with pytest.raises(typer.Exit) as exit_code:
            start()
    assert exit_code.value.exit_code == FAILED
    assert "The ledger does not answer." in capfd.readouterr().out
    assert sweep_run(out).tags["outcome"] == "interrupted"
    resume(out)
    assert_complete(out, simulated_tune)


def test_time_limit_ends_the_search_and_its_trials_are_confirmed(simulated_tune, start, out):
    start(max_hours=1e-9)
    assert Counter(simulated_tune.steps) == {"confirm-0000": 1}
    result = json.loads(Workspace(out / "made").result.read_text(encoding="utf-8"))
    assert sum(result["counts"].values()) == 0 and result["best"] is None


class TestFewConfigurations:
    """A sweep whose space has two configurations, and a budget of five trials."""

    @pytest.fixture
    def space(self, tmp_path):
        path = tmp_path / "space.yaml"
        path.write_text("training: {batch_size: {type: categorical, choices: [16, 32], default: 16}}", encoding="utf-8")
        return path

    def test_it_trains_each_once_says_so_and_is_finished(self, start, simulated_tune, out, space, capfd, monkeypatch):
        monkeypatch.setattr("orchestrator.sweeps.show_finished.upload_pending", lambda *arguments: None)
        (out.parent / "first.yaml").write_text("- {batch_size: 32}\n- {batch_size: 32}\n", encoding="utf-8")
        start(space=space, trials=5, enqueue=out.parent / "first.yaml")
        printed = capfd.readouterr().out
        assert "1 of the 2 enqueued configurations are there twice" in printed
        for arm in ("search", "search of the control"):
            assert f"The {arm} ended after 2 of 5 trials: its space has no more configurations" in printed
        workspace = Workspace(out / "made")
        result = json.loads(workspace.result.read_text(encoding="utf-8"))
        assert result["exhausted"] == ["search", "control"] and result["budget"] == 5
        assert result["counts"]["complete"] == result["control_counts"]["complete"] == 2
        assert "no more configurations" in (workspace.report / "result.md").read_text(encoding="utf-8")
        assert "--max-hours" not in printed
        assert max(Counter(simulated_tune.steps).values()) == EPOCHS, "nothing is trained twice"
        steps = len(simulated_tune.steps)
        for trials in (None, 9):
            resume_sweep("made", out, trials=trials, given={}, as_json=False, allow_changed=False)
            assert "no more configurations" in capfd.readouterr().out
        assert len(simulated_tune.steps) == steps and json.loads(workspace.result.read_text(encoding="utf-8")) == result

    def test_it_resumes_after_an_interruption(self, start, simulated_tune, out, space):
        at_step(simulated_tune, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(typer.Exit):
            start(space=space, trials=5)
        resume(out)
        studies = read_studies(Workspace(out / "made"))
        for study in ("search", "control"):
            assert sorted(trial.params["batch_size"] for trial in studies[study]) == [16, 32]
            assert {str(trial.outcome) for trial in studies[study]} == {"complete"}


@pytest.mark.parametrize("place", ["reporting.tables.print_result", "sweeps.background_services.report_pending"])
def test_neither_printing_nor_cleanup_undoes_a_finished_sweep(simulated_tune, start, out, monkeypatch, place):
    def fail(*arguments, **options):
        assert Workspace(out / "made").result.is_file()
        raise UnicodeEncodeError("ascii", "–", 0, 1, "ordinal not in range")

    monkeypatch.setattr(f"orchestrator.{place}", fail)
    start()
    assert_complete(out, simulated_tune)


def test_a_closed_terminal_interrupts_as_a_signal_does(simulated_tune, start, out, capfd):
    at_step(simulated_tune, 3, lambda: os.kill(os.getpid(), signal.SIGHUP))
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED and "Resume with" in capfd.readouterr().out
    assert sweep_run(out).tags["outcome"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_ray_starts_interrupts_and_closes_what_has_started(
    simulated_tune, start, out, capfd, monkeypatch, number
):
    events = []

    @contextmanager
    def session(spec):
        while not Workspace(out / "made").spec.is_file():  # the sweep is begun while Ray starts
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(os.getpid(), number)
        time.sleep(0.5)
        yield
        events.append("closed")

    monkeypatch.setattr(simulated_tune, "session", session)
    with pytest.raises(typer.Exit) as exit_code:
        start()
    assert exit_code.value.exit_code == INTERRUPTED and "Resume with" in capfd.readouterr().out
    assert events == ["closed"]


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [("targets", ["beauty"], "beauty"), ("tracking_uri", "localhost:5000", "write http://localhost:5000")],
)
def test_a_refused_sweep_leaves_no_folder(start, out, setting, value, sentence):
    with pytest.raises(InputError, match=sentence):
        start(**{setting: value})
    assert not out.exists()


def test_finished_sweep_is_confirmed_on_more_splits(simulated_tune, start, out):
    start()
    simulated_tune.steps.clear()
    workspace = Workspace(out / "made")
    before = (workspace.trials / "confirm-0001" / "predictions.csv").read_bytes()
    resume_sweep("made", out, trials=None, given={"splits": 3}, as_json=False, allow_changed=False)
    assert all(key.startswith("confirm-") for key in simulated_tune.steps) and len(simulated_tune.steps) == 10
    assert len(read_studies(workspace)["confirm"]) == 9 and workspace.earlier_result(2).is_file()
    assert "medians over 3 splits" in (workspace.report / "result.md").read_text(encoding="utf-8")
    assert (workspace.trials / "confirm-0001" / "predictions.csv").read_bytes() == before
    assert json.loads(sweep_run(out).tags["spec"])["splits"] == 3 == load_spec(workspace.spec).splits
    with pytest.raises(InputError, match="--splits 2 is fewer"):
        resume_sweep("made", out, trials=None, given={"splits": 2}, as_json=False, allow_changed=False)


def test_a_finished_sweep_that_cannot_be_extended_stays_finished(simulated_tune, start, out):
    start()
    workspace = Workspace(out / "made")
    before = {path: path.read_bytes() for path in (workspace.result, workspace.spec, workspace.identity)}
    with pytest.raises(InputError, match="write http://localhost:5000"):
        resume_sweep("made", out, None, {"splits": 3, "tracking_uri": "localhost:5000"}, False, False)
    assert {path: path.read_bytes() for path in before} == before


def test_finished_sweep_continues_with_narrower_ranges(simulated_tune, start, out, capsys):
    start(confirm=0)
    workspace = Workspace(out / "made")
    narrow = {"given": {"set": ("lr=loguniform(4e-3,5e-3)",)}, "as_json": False, "allow_changed": False}
    with pytest.raises(InputError, match="raise --trials as well"):
        resume_sweep("made", out, trials=None, **narrow)
    assert not workspace.earlier_spaces()
    resume_sweep("made", out, trials=4, **narrow)
    assert "0 of 2 earlier trials lie in the new space, of the control 0 of 2." in capsys.readouterr().out
    studies = read_studies(workspace)
    for study in ("search", "control"):
        assert all(4e-3 <= trial.params["lr"] <= 5e-3 for trial in studies[study][2:])
    assert [path.name for path in workspace.earlier_spaces()] == ["space-1.yaml"]
    identity = json.loads(workspace.identity.read_text(encoding="utf-8"))
    assert identity["earlier_spaces"] == [{"file": "space-1.yaml", "trials": {"search": 2, "control": 2}}]
    resume_sweep("made", out, trials=5, given={}, as_json=False, allow_changed=False)
    assert 4e-3 <= read_studies(workspace)["search"][4].params["lr"] <= 5e-3
    assert "epoch 1: train_loss" in (workspace.trials / "trial-0004" / "log.txt").read_text(encoding="utf-8")
