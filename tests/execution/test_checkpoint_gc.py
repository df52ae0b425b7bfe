"""The caretaker on real folders, with ledgers in memory and a disk as full as a test wants it."""

import json
import threading
from pathlib import Path

import pytest
import torch
from optuna.storages import InMemoryStorage

from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable
from orchestrator.core.spec import build_spec
from orchestrator.core.workspace import Workspace
from orchestrator.execution.checkpoint_gc import CheckpointGarbageCollector, RetentionLimits, collect_garbage
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job
from orchestrator.execution.retention import RetentionPolicy
from orchestrator.execution.trial_store import TrialStore, TrialSync
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.training.checkpoint import Checkpoints, load_best
from orchestrator.training.trainer import TrainingState
from tests.execution.contexts import make_job

SMALL = ["epochs.jsonl", "job.json", "predictions.csv"]


def write(trials: Path, key: str, model: bool = False, epochs: int = 3) -> None:
    """A trial's folder after so many epochs; the best was the first."""
    checkpoints = Checkpoints(trials / key)
    scale = {"score_mean": [3.0], "score_std": [1.0]}
    for epoch in range(1, epochs + 1):
        meta = {"epoch": epoch, "best": {"epoch": 1}, **scale}
        checkpoints.save(TrainingState({"model.w": torch.zeros(100)}, {"w": torch.zeros(10)}, meta))
    for name in SMALL:
        (trials / key / name).write_text("small")
    if model:
        (trials / key / "model").mkdir()
        (trials / key / "model" / "model.safetensors").write_bytes(b"w" * 50)


def parts(folder: Path) -> set[str]:
    assert all((folder / name).is_file() for name in SMALL), "history, job and predictions always stay"
    found = {path.name.partition("-")[0] for path in folder.glob("*.safetensors")}
    return found | ({"model"} if (folder / "model").is_dir() else set())


@pytest.fixture
def trials(tmp_path) -> Path:
    return tmp_path / "trials"


def make_ledgers(storage=None):
    storage = storage or InMemoryStorage()
    return {study: Ledger(storage, study, None) for study in KEY_PREFIX}


def collector(trials, rule="best:1", ledgers=None, splits=2, **more) -> CheckpointGarbageCollector:
    free, storage = more.pop("free", lambda folder: 10**12), more.pop("storage", None)
    limits = RetentionLimits(RetentionPolicy.parse(rule), **more)
    return CheckpointGarbageCollector(trials, limits, splits, ledgers or make_ledgers(), free=free, storage=storage)


def end(callback: CheckpointGarbageCollector, job: Job, objective: float, outcome: Outcome = Outcome.COMPLETE) -> None:
    callback.on_job_start(job)
    callback.on_epoch(job, EpochReport(1, objective, {}, 1.0, 1e9))
    callback.on_job_end(job, outcome, {"best_val_srcc": objective}, None)


def searched(number: int) -> Job:
    return make_job(number, params={"n": number})


def test_when_a_trial_ends_the_rule_holds(trials):
    callback = collector(trials)
    for number in range(3):
        write(trials, f"trial-{number:04d}")
    callback.on_job_start(searched(2))
    end(callback, searched(0), 0.5)
    assert callback.collect() > 0
    assert parts(trials / "trial-0000") == {"best"} and load_best(trials / "trial-0000")
    end(callback, searched(1), 0.7)
    callback.collect()
    assert parts(trials / "trial-0000") == set() and parts(trials / "trial-0001") == {"best"}
    assert parts(trials / "trial-0002") == {"best", "last"}, "it still runs"
    assert len(list((trials / "trial-0002").glob("last-*"))) == 2, "with the checkpoint before"
    assert callback.collect() == 0


def test_it_begins_with_what_the_ledgers_know(trials):
    ledgers = make_ledgers()
    for objective in (0.2, 0.6, None):
        number = ledgers["search"].ask().number
        write(trials, f"trial-{number:04d}")
        ledgers["search"].set_attributes(number, n=number)
        if objective:
            ledgers["search"].report(number, 1, objective)
            ledgers["search"].finish(number, Outcome.COMPLETE, final={"best_val_srcc": objective})
    collector(trials, "none", ledgers).collect()
    assert [parts(trials / f"trial-{number:04d}") for number in range(3)] == [set(), set(), {"best", "last"}]


def confirm(number: int, split: int, source: str = "trial-0000") -> Job:
    return make_job(number, test=True, split=split, source=source)


def test_the_models_that_stand_for_a_configuration_stay(trials):
    callback = collector(trials, "none", splits=3)
    for number, value in enumerate([0.5, 0.9, 0.7]):
        write(trials, f"confirm-{number:04d}", model=True)
        end(callback, confirm(number, number + 1), value)
        callback.collect()
        if number < 2:
            assert all(parts(trials / f"confirm-{n:04d}") == {"model"} for n in range(number + 1)), "any may come to"
    assert [parts(trials / f"confirm-{n:04d}") for n in range(3)] == [set(), set(), {"model"}]


def test_a_budget_is_met_before_the_next_trial_ends(trials):
    for number in range(3):
        write(trials, f"trial-{number:04d}")
    callback = collector(trials, "all", budget=1200)
    for number in range(3):
        end(callback, searched(number), 0.1 * number)
    callback.collect()
    assert sum(path.stat().st_size for path in trials.glob("*/*.safetensors")) <= 1200
    assert parts(trials / "trial-0002") == {"best", "last"} and parts(trials / "trial-0000") == {"best"}


def test_a_nearly_full_disk_takes_what_the_rule_would_have_kept(trials):
    free = [10**9]
    for number in range(2):
        write(trials, f"trial-{number:04d}")
    callback = collector(trials, "all", min_free=1000, free=lambda folder: free[0])
    end(callback, searched(0), 0.1)
    callback.on_job_start(searched(1))
    callback.collect()
    assert parts(trials / "trial-0000") == {"best", "last"}
    free[0] = 900
    assert callback.collect() >= 100, "without any trial's end"
    assert parts(trials / "trial-0000") == {"best"}
    free[0] = 0
    callback.collect()
    assert parts(trials / "trial-0000") == set() and parts(trials / "trial-0001") == {"best", "last"}


@pytest.fixture
def stored(trials, tmp_path) -> TrialStore:
    """A trial that a worker elsewhere left in a storage; its folder here is another one."""
    trials.mkdir()
    storage = TrialStore(ObjectStore(str(tmp_path / "shared")))
    write(tmp_path / "elsewhere", "trial-0000")
    TrialSync(storage, "trial-0000", tmp_path / "elsewhere" / "trial-0000").begin()
    return storage


def test_the_driver_s_full_disk_takes_nothing_from_a_storage(trials, stored):
    callback = collector(trials, "all", min_free=10**6, free=lambda folder: 0, storage=stored)
    end(callback, searched(0), 0.5)
    assert callback.collect() == 0 and set(stored.sizes("trial-0000")) == {"best", "last"}


def test_what_a_storage_that_was_away_kept_goes_when_it_is_back(trials, stored, monkeypatch):
    callback = collector(trials, "none", storage=stored)
    end(callback, searched(0), 0.5)
    monkeypatch.setattr(ObjectStore, "read", lambda self, name: (_ for _ in ()).throw(ObjectStoreUnavailable("away")))
    with pytest.raises(ObjectStoreUnavailable):
        callback.collect()
    monkeypatch.undo()
    callback.collect()
    assert not stored.sizes("trial-0000")


def test_its_thread_does_it(trials):
    write(trials, "trial-0000")
    callback = collector(trials, "none")
    callback.start()
    end(callback, searched(0), 0.5)
    callback.close()
    assert parts(trials / "trial-0000") == set()
    assert "caretaker" not in {thread.name for thread in threading.enumerate()}


def test_an_error_does_not_end_it(trials, monkeypatch, caplog):
    calls = []

    def broken(self):
        calls.append(1)
        raise OSError("the disk is away")

    monkeypatch.setattr(CheckpointGarbageCollector, "collect", broken)
    callback = collector(trials)
    callback.start()
    end(callback, searched(0), 0.5)
    callback.close()
    assert calls and "the disk is away" in caplog.text


@pytest.mark.parametrize(
    ("rule", "kept"),
    [("all", [0, 1, 2]), ("last", [0, 1, 2]), ("best:1", [0, 2]), ("best:2", [0, 1, 2]), ("none", [])],
)
def test_which_checkpoints_go_to_mlflow(trials, rule, kept):
    """Asked when each trial ends, of trials that were better and worse than those before."""
    callback, answers = collector(trials, rule), []
    for number, objective in enumerate([0.5, 0.3, 0.7]):
        job = searched(number)
        callback.on_job_start(job)
        callback.on_epoch(job, EpochReport(1, objective, {}, 1.0, 1e9))
        before = callback.keeps(job, Outcome.COMPLETE)
        callback.on_job_end(job, Outcome.COMPLETE, {"best_val_srcc": objective}, None)
        assert callback.keeps(job, Outcome.COMPLETE) is before
        answers.append(before)
    assert [number for number, answer in enumerate(answers) if answer] == kept
    assert not callback.keeps(searched(3), Outcome.FAILED)
    assert callback.keeps(confirm(0, 1), Outcome.COMPLETE) is (rule != "none")
    assert callback.keeps(make_job(9, test=True, variant=""), Outcome.COMPLETE)


def test_garbage_of_a_sweep_that_does_not_run(tmp_path):
    workspace = Workspace(tmp_path)
    build_spec({"name": "x", "keep": "none", "splits": 1}).save(workspace.spec)
    storage = open_journal(workspace.ledger)
    search, confirmed = Ledger(storage, "search", None), Ledger(storage, "confirm", None)
    for ledger, key in ((search, "trial-0000"), (confirmed, "confirm-0000"), (search, "trial-0001")):
        if ledger is confirmed:
            ledger.enqueue({}, {"source": "trial-0000", "split": 1})
        number = ledger.ask().number
        write(workspace.trials, key, model=ledger is confirmed)
        if key != "trial-0001":
            ledger.report(number, 1, 0.5)
            ledger.finish(number, Outcome.COMPLETE, final={"best_val_srcc": 0.5})
    write(workspace.trials, "trial-0001.aside-1")
    before = sum(path.stat().st_size for path in workspace.trials.rglob("*.*") if path.is_file())
    freed = collect_garbage(workspace)
    after = sum(path.stat().st_size for path in workspace.trials.rglob("*.*") if path.is_file())
    assert 0 < freed <= before - after
    assert parts(workspace.trials / "trial-0000") == set() and parts(workspace.trials / "confirm-0000") == {"model"}
    assert parts(workspace.trials / "trial-0001") == {"best", "last"}
    assert not (workspace.trials / "trial-0001.aside-1").exists()
    assert collect_garbage(workspace) == 0
    names = json.dumps([line for line in workspace.ledger.read_text().splitlines() if "study_name" in line])
    assert "control" not in names, "no study is made by looking"
