"""Checkpoint garbage collector on real folders, with ledgers in memory and a simulated free space."""

import json
import threading
from pathlib import Path

import pytest
import torch
from optuna.storages import InMemoryStorage

from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.checkpoint_gc import CheckpointGarbageCollector, RetentionLimits, collect_garbage
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job
from orchestrator.execution.object_trial_store import ObjectTrialStore, TrialSync
from orchestrator.execution.retention import RetentionPolicy
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.training.checkpoint import Checkpoints, load_best
from orchestrator.training.trainer import TrainingState
from tests.execution.contexts import make_job

SMALL = ["epochs.jsonl", "job.json", "predictions.csv"]


def write(trials: Path, key: str, model: bool = False, epochs: int = 3) -> None:
    """Write a trial's folder after `epochs` epochs; the first was the best."""
    checkpoints = Checkpoints(trials / key)
    scale = {"score_mean": [3.0], "score_std": [1.0]}
    for epoch in range(1, epochs + 1):
        meta = {"epoch": epoch, "best": {"epoch": 1}, **scale}
        checkpoints.save(TrainingState({"model.w": torch.zeros(100)}, {"w": torch.zeros(10)}, meta))
    for name in SMALL:
        (trials / key / name).write_text("small", encoding="utf-8")
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


class DiskWithSpace(SharedTrialStore):
    """Trials on a disk with `free[0]` bytes of space."""

    def __init__(self, trials: Path, free: list[int]) -> None:
        super().__init__(trials)
        self._free = free

    def free_bytes(self) -> float:
        return self._free[0]


def collector(trials, rule="best:1", ledgers=None, splits=2, **more) -> CheckpointGarbageCollector:
    store = more.pop("store", None) or DiskWithSpace(trials, more.pop("free", [10**12]))
    limits = RetentionLimits(RetentionPolicy.parse(rule), **more)
    return CheckpointGarbageCollector(store, trials, limits, splits, ledgers or make_ledgers())


def end(callback: CheckpointGarbageCollector, job: Job, objective: float, outcome: Outcome = Outcome.COMPLETE) -> None:
    callback.on_job_start(job)
    callback.on_epoch(job, EpochReport(1, objective, {}, 1.0, 1e9))
    callback.on_job_end(job, outcome, {"best_val_srcc": objective}, None)


def searched(number: int) -> Job:
    return make_job(number, params={"n": number})


def test_collector_applies_the_rule_when_a_trial_ends(trials):
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


def test_collector_reads_trials_from_the_ledgers(trials):
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


def test_collector_keeps_models_that_represent_a_configuration(trials):
    callback = collector(trials, "none", splits=3)
    for number, value in enumerate([0.5, 0.9, 0.7]):
        write(trials, f"confirm-{number:04d}", model=True)
        end(callback, confirm(number, number + 1), value)
        callback.collect()
        if number < 2:
            assert all(parts(trials / f"confirm-{n:04d}") == {"model"} for n in range(number + 1)), "any may come to"
    assert [parts(trials / f"confirm-{n:04d}") for n in range(3)] == [set(), set(), {"model"}]


def test_collector_meets_the_budget_before_the_next_trial_ends(trials):
    for number in range(3):
        write(trials, f"trial-{number:04d}")
    callback = collector(trials, "all", budget=1200)
    for number in range(3):
        end(callback, searched(number), 0.1 * number)
    callback.collect()
    assert sum(path.stat().st_size for path in trials.glob("*/*.safetensors")) <= 1200
    assert parts(trials / "trial-0002") == {"best", "last"} and parts(trials / "trial-0000") == {"best"}


def test_collector_removes_kept_parts_if_the_disk_is_nearly_full(trials):
    free = [10**9]
    for number in range(2):
        write(trials, f"trial-{number:04d}")
    callback = collector(trials, "all", min_free=1000, free=free)
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
def stored(trials, tmp_path) -> ObjectTrialStore:
    """Trial that a worker on another node left in an object store."""
    trials.mkdir()
    storage = ObjectTrialStore(ObjectStore(str(tmp_path / "shared")))
    write(tmp_path / "elsewhere", "trial-0000")
    TrialSync(storage, "trial-0000", tmp_path / "elsewhere").fetch()
    return storage


def test_collector_removes_nothing_from_an_object_store_if_the_driver_s_disk_is_full(trials, stored):
    callback = collector(trials, "all", min_free=10**6, store=stored)
    end(callback, searched(0), 0.5)
    assert callback.collect() == 0 and set(stored.sizes("trial-0000")) == {"best", "last"}


def test_collector_retries_after_the_object_store_was_unavailable(trials, stored, monkeypatch):
    callback = collector(trials, "none", store=stored)
    end(callback, searched(0), 0.5)
    monkeypatch.setattr(ObjectStore, "read", lambda self, name: (_ for _ in ()).throw(ObjectStoreUnavailable("away")))
    with pytest.raises(ObjectStoreUnavailable):
        callback.collect()
    monkeypatch.undo()
    callback.collect()
    assert not stored.sizes("trial-0000")


def test_collector_s_thread_collects(trials):
    write(trials, "trial-0000")
    callback = collector(trials, "none")
    callback.start()
    end(callback, searched(0), 0.5)
    callback.close()
    assert parts(trials / "trial-0000") == set()
    assert "checkpoint-gc" not in {thread.name for thread in threading.enumerate()}


def test_collector_s_thread_survives_an_error(trials, monkeypatch, caplog):
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
def test_collector_chooses_checkpoints_for_mlflow(trials, rule, kept):
    """Call `keeps` when each trial ends, for trials better and worse than the earlier ones."""
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


def test_collect_garbage_of_a_sweep_that_does_not_run(tmp_path):
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
    names = json.dumps(
        [line for line in workspace.ledger.read_text(encoding="utf-8").splitlines() if "study_name" in line]
    )
    assert "control" not in names, "no study is made by looking"
