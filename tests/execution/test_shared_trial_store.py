"""Trial stores: conformance of the shared folder and of objects, and the choice between both."""

import math
from dataclasses import replace
from uuid import uuid4

import pytest

from orchestrator.cluster.unfit_node_errors import TrialDirNotVisible
from orchestrator.core.object_store import ObjectStore
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.object_trial_store import ObjectTrialStore
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.execution.synced_job import SyncedJob
from orchestrator.execution.training_job import TrainingJob
from tests.execution.contexts import make_job, make_sweep_context


@pytest.fixture(params=["shared", "objects"])
def store(request, tmp_path):
    if request.param == "shared":
        (tmp_path / "trials").mkdir()
        return SharedTrialStore(tmp_path / "trials")
    return ObjectTrialStore(ObjectStore(str(tmp_path / "objects")))


def start(store, tmp_path, job):
    """Return a worker's job; each worker of an object store has a node of its own."""
    trials = store.trials if isinstance(store, SharedTrialStore) else tmp_path / uuid4().hex
    return SyncedJob(job, replace(make_sweep_context(tmp_path / uuid4().hex), trials=trials, store=store), TrainingJob)


def test_store_resumes_a_trial_in_a_second_worker(store, tmp_path):
    job = make_job(epochs=3)
    first = start(store, tmp_path, job)
    first.step(), first.step()
    first_token = store.writer(job.key).token
    first.close()
    second = start(store, tmp_path, job)
    assert [epoch["number"] for epoch in second.step()["epochs"]] == [1, 2]
    assert store.writer(job.key).token != first_token
    assert second.step()["outcome"] == "complete"
    second.close()
    assert store.writer("trial-0009") is None


def test_store_measures_and_drops_parts_of_a_trial(store, tmp_path):
    job = make_job(epochs=1, test=True)
    runner = start(store, tmp_path, job)
    runner.step()
    runner.close()
    sizes = store.sizes(job.key)
    assert sizes.keys() >= {"last", "best", "model"} and all(sizes.values())
    freed = store.drop(job.key, ["last", "model"])
    assert freed >= sizes["last"] + sizes["model"]
    assert store.sizes(job.key).keys() == {"best"}
    assert store.drop("trial-0009", ["last"]) == 0


def test_shared_store_neither_copies_nor_deletes(tmp_path):
    store = SharedTrialStore(tmp_path / "trials")
    (tmp_path / "trials" / "trial-0000").mkdir(parents=True)
    folder = store.open_folder("trial-0000")
    assert folder.path == tmp_path / "trials" / "trial-0000"
    assert not store.fetch("trial-0000", tmp_path / "copy") and not (tmp_path / "copy").exists()
    folder.close()
    store.remove_all()
    assert folder.path.is_dir() and 0 < store.free_bytes() < math.inf


def test_job_raises_trial_dir_not_visible_without_the_sweep_s_folder(tmp_path):
    store = SharedTrialStore(tmp_path / "elsewhere")
    with pytest.raises(TrialDirNotVisible, match=f"does not see {tmp_path / 'elsewhere'}. Begin a sweep with"):
        start(store, tmp_path, make_job())
    assert not (tmp_path / "elsewhere").exists()


def test_open_trial_store_returns_objects_of_the_sweep_with_a_storage_path(tmp_path):
    workspace = Workspace(tmp_path / "sweep")
    shared = open_trial_store(build_spec({"name": "x"}), workspace)
    assert isinstance(shared, SharedTrialStore) and shared.trials == workspace.trials
    spec = build_spec({"name": "x", "storage_path": str(tmp_path / "objects")})
    assert open_trial_store(spec, workspace).objects.url == f"{tmp_path}/objects/x-{spec.id}"
