"""Real cluster whose other nodes leave, join, and see neither the sweep's folder nor the features."""

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.cluster import data_placement
from orchestrator.cluster.data_placement import NodeProbe, check, distribute_features, probe_nodes
from orchestrator.cluster.session import ray_session, slots_on
from orchestrator.cluster.shared_features import FeatureSharer, SharedArray, files_of
from orchestrator.cluster.unfit_node_errors import TrialDirNotVisible
from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStore
from orchestrator.data.array_files import StoredArray
from orchestrator.data.feature_set import Feature, FeatureSet
from orchestrator.execution.object_trial_store import ObjectTrialStore
from orchestrator.execution.plan import Plan
from orchestrator.execution.trial_download import TrialDownloader
from orchestrator.execution.tune_runner import run_jobs
from orchestrator.search.outcome import Outcome
from tests.execution.contexts import make_cross, make_sweep_context
from tests.execution.fakes import FakeSweep, Watched
from tests.execution.nodes import Nodes, can_hide
from tests.s3 import BUCKET

EPOCHS = 40


def stored(folder, context):
    """Write the context's generated features as files of a feature store."""
    folder.mkdir()
    features = {}
    for name, tensor in context.features.tensors().items():
        if name in context.reads:
            path = folder / f"{name}.npy"
            np.save(path, tensor.numpy())
            features[name] = Feature(StoredArray(path, len(tensor), tuple(tensor.shape[1:])))
    return FeatureSet(features, dict(context.features.identity))


@pytest.fixture
def nodes(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # like the nodes, also if this user has a token
    if not can_hide():
        absent = "no mount namespaces here (unshare -m), so no node can be kept from seeing this disk"
        pytest.fail(absent) if os.environ.get("CI") == "true" and os.geteuid() == 0 else pytest.skip(absent)
    nodes = Nodes(tmp_path_factory.mktemp("cluster") / "ray")
    yield nodes
    nodes.close()


class Timed(Watched):
    """Callback that records the time of each epoch and lets a thread wait for one."""

    def __init__(self):
        super().__init__()
        self.times = {}
        self.began = {}

    def on_epoch(self, job, epoch):
        super().on_epoch(job, epoch)
        self.times[job.key, epoch.number] = epoch.time

    def wait_for(self, key, number, seconds=60.0):
        end = time.monotonic() + seconds
        while (key, number) not in self.times:
            assert time.monotonic() < end, f"{key} has not reached epoch {number}"
            time.sleep(0.05)


def test_trials_run_on_nodes_without_files_and_resume_when_nodes_leave_and_join(nodes, s3_server, tmp_path):
    hidden, cache = tmp_path / "sweep", tmp_path / "store"
    hidden.mkdir()
    trials = ObjectTrialStore(ObjectStore(f"s3://{BUCKET}/apart"))
    context = make_sweep_context(hidden)
    features = stored(cache, context)
    nodes.head()
    join = lambda name: nodes.join((hidden, cache), HYPERASSESS_CACHE=str(tmp_path / name))  # noqa: E731
    spot = join("spot")
    watched, slots, figures = Timed(), [], {}
    sweep = FakeSweep(Plan(trials=8, confirm=1, splits=1, seed=3, epochs=EPOCHS), control=False)
    deadline = time.monotonic() + 60
    with ray_session(nodes.address, 1, 0) as first:
        import ray

        while len([node for node in ray.nodes() if node["Alive"]]) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        folder = ObjectStore(str(context.trials))
        views = probe_nodes(tuple(files_of(features)), folder)
        assert sorted((len(view.unseen), view.sees_storage) for view in views) == [
            (0, True),
            (len(context.reads), False),
        ]
        with pytest.raises(InputError, match="does not see .*: give --storage-path a folder"):
            distribute_features([features], folder)
        (shared,) = distribute_features([features], trials.objects)
        assert all(isinstance(one.array, SharedArray) for one in shared.features.values())
        downloader = TrialDownloader(trials, context.trials, lambda job, outcome: job.test)
        controller = sweep.controller(downloader, watched)
        errors = []

        def come_and_go():
            try:
                lost = next(iter(_on(trials, watched, _nodes_beyond_this())))
                watched.wait_for(lost, 8)
                Nodes.cut_off(spot)
                cut = time.monotonic()
                figures["lost"], figures["epoch"] = lost, max(n for key, n in watched.times if key == lost)
                while slots_on(ray.nodes(), 1, 0) > 1:  # until Ray knows
                    assert time.monotonic() < cut + 60
                    time.sleep(0.1)
                time.sleep(0.5)  # for the thread that counts the slots
                new = join("new")
                before = {node["NodeID"] for node in ray.nodes()}
                while not (fresh := {n["NodeID"] for n in ray.nodes() if n["Alive"]} - before):
                    assert time.monotonic() < cut + 60 and new.poll() is None
                    time.sleep(0.1)
                joined = time.monotonic()
                while not _taken(fresh):
                    assert time.monotonic() < joined + 60
                    time.sleep(0.05)
                figures["its slot is taken"] = time.monotonic() - joined
                next(iter(_on(trials, watched, lambda: fresh, seconds=120)))
                figures["its first job works"] = time.monotonic() - joined
            except BaseException as error:
                errors.append(error)
                controller.stop("the test failed")

        thread = threading.Thread(target=come_and_go)
        thread.start()
        done = threading.Event()

        def count():
            while not done.wait(0.2):
                slots.append(slots_on(ray.nodes(), 1, 0))

        counter = threading.Thread(target=count)
        counter.start()
        try:
            controller.slots.update(first, first)
            run_jobs(controller, replace(context, features=shared, store=trials), tmp_path / "tune", 1, 0)
        finally:
            done.set()
            counter.join()
        thread.join()
        downloader.after(controller.known(), lambda job, outcome: None)
    assert not errors, errors
    sweep.assert_done()
    assert {trial.outcome for arm in sweep.arms for trial in arm.ledger.all()} == {Outcome.COMPLETE}
    print(figures, slots)
    # The start of the process depends on the machine, since it imports PyTorch; the request for it must be soon.
    assert figures["its slot is taken"] < 10
    assert 2 in slots and slots[-1] == 2 and 1 in slots
    # Ray reports the lost node late; the number of repeated epochs matters.
    again = [
        number
        for number, line in enumerate(_history(trials, figures["lost"], tmp_path / "seen"), 1)
        if line["time"] != watched.times[figures["lost"], number]
    ]
    assert len(again) <= 1 and all(number > figures["epoch"] for number in again)
    # The driver fetched the confirm run's files only.
    confirm = context.trials / next(job.key for job, _ in controller.known() if job.variant and job.test)
    assert (confirm / "predictions.csv").is_file() and (confirm / "model" / "model.safetensors").is_file()
    assert not list(context.trials.glob("trial-*/*.safetensors"))


def _nodes_beyond_this():
    import ray

    here = ray.get_runtime_context().get_node_id()
    return lambda: {node["NodeID"] for node in ray.nodes() if node["Alive"]} - {here}


def _taken(nodes):
    """Return whether no CPU of the nodes is free; a node that has not reported yet has no known memory."""
    from ray._private.state import available_resources_per_node

    there = available_resources_per_node()
    return all("memory" in there.get(node, {}) and not there[node].get("CPU") for node in nodes)


def _on(trials, watched, wanted, seconds=60.0):
    """Yield the keys of unfinished jobs whose worker is on a wanted node; wait for the first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started, ended = watched.of("started"), {key for key, _ in watched.of("ended")}
        for key in started:
            manifest = trials.manifest(key) if key not in ended else None
            if manifest and manifest.writer.node in wanted():
                yield key
        time.sleep(0.1)
    raise AssertionError("no job came to the node")


def _history(trials, key, folder):
    trials.fetch(key, folder, lambda name: name == "epochs.jsonl")
    return [json.loads(line) for line in (folder / "epochs.jsonl").read_text(encoding="utf-8").splitlines()]


def test_visible_file_is_mapped_and_an_object_is_fetched_otherwise(tmp_path, monkeypatch):
    context = make_sweep_context(tmp_path)
    features = stored(tmp_path / "store", context)
    objects = []
    shared = FeatureSharer(put=lambda array: objects.append(array) or len(objects) - 1).share(features)
    assert len(objects) == len(context.reads) and all(type(array) is np.ndarray for array in objects)
    assert isinstance(shared.features[context.reads[0]].read(), np.memmap)
    assert shared.nbytes == features.nbytes and shared.shapes == features.shapes
    import ray

    monkeypatch.setattr(ray, "get", lambda reference: objects[reference])
    for path in files_of(features):
        path.rename(path.with_suffix(".gone"))
    for name, tensor in shared.tensors().items():
        assert tensor.equal(context.features.tensors()[name])


@pytest.mark.parametrize(("store", "shares"), [(2, True), (1, False)])
def test_visible_features_are_shared_if_they_fit(tmp_path, monkeypatch, store, shares):
    """Share features for nodes that join later and do not see the files."""
    import ray

    features = stored(tmp_path / "store", make_sweep_context(tmp_path))
    views = [NodeProbe(name, store * features.nbytes, (), True) for name in "ab"]
    monkeypatch.setattr(data_placement, "probe_nodes", lambda files, storage: views)
    monkeypatch.setattr(ray, "put", lambda array: "reference")
    (shared,) = distribute_features([features], ObjectStore(str(tmp_path / "trials")))
    assert {type(one.array) for one in shared.features.values()} == {SharedArray if shares else StoredArray}


def test_missing_features_raise_trial_dir_not_visible(tmp_path):
    context = make_sweep_context(tmp_path)
    features = stored(tmp_path / "store", context)
    (lost, *_) = files_of(features)
    lost.unlink()
    with pytest.raises(TrialDirNotVisible, match=f"does not see {lost}. Let it see the folder HYPERASSESS_CACHE"):
        replace(context, features=features).training_data(0)
    with pytest.raises(TrialDirNotVisible, match=f"does not see {lost}"):
        replace(make_cross(context), features=features).other_rows()


def test_probe_recognises_the_storage_by_its_marker(tmp_path, monkeypatch):
    """Read no status of a folder, which clients of a file server cache for a while."""
    here, other = tmp_path / "trials", tmp_path / "other"
    here.mkdir()
    shutil.copytree(here, other)
    absent = tmp_path / "absent"
    with data_placement._marked(ObjectStore(str(here))) as marker:
        monkeypatch.setattr(ObjectStore, "check", lambda self: None)  # creates folders, so reads their status
        monkeypatch.setattr(Path, "stat", lambda path, **_: (_ for _ in ()).throw(AssertionError("was asked for")))
        assert data_placement._look(marker, (), ObjectStore(str(here)))[1]
        assert not data_placement._look(marker, (), ObjectStore(str(other)))[1]
        assert not data_placement._look(marker, (), ObjectStore(str(absent)))[1]
        monkeypatch.undo()
    assert not list(here.iterdir()) and not absent.exists(), "it leaves nothing"


GB = 10**9


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (NodeProbe("a", 2 * GB, (), False), "The node a does not see .*: give --storage-path"),
        (NodeProbe("b", GB // 2, ("level1.npy",), True), "features take 800.0 MB, .* node b .500.0 MB.: start .* 1000"),
        (NodeProbe("c", GB // 2, ("pixels.npy",), True), "decoded images that --backbone finetune reads take 800.0 MB"),
        (NodeProbe("d", 2 * GB, (), True, "It is away."), "The node d cannot use the storage: It is away. Set AWS_"),
        (NodeProbe("e", 2 * GB, (), True, None, "0" * 64), "The node e has other code of this project than this host"),
    ],
)
def test_check_raises_a_sentence_about_what_a_node_lacks(tmp_path, view, said):
    view = replace(view, unseen=tuple(map(Path, view.unseen)))
    files = {Path("level1.npy"): 8 * GB // 10, Path("pixels.npy"): 8 * GB // 10}
    storage = ObjectStore(str(tmp_path))
    with pytest.raises(InputError, match=said):
        check([NodeProbe("fine", 2 * GB, (), True), view], files, storage)
    check([NodeProbe("fine", GB, tuple(files)[:1], True, None, code_digest())], files, storage)


def test_probe_recognises_a_node_with_other_code_or_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")

    def without_the_project(*asked):
        raise ModuleNotFoundError("orchestrator.cluster.data_placement")

    def of_another_release(*asked):
        return (), True, None

    def with_a_broken_store(*asked):
        raise OSError("no such bucket")

    found = []
    with ray_session(None, 1, 0):
        for look in (without_the_project, of_another_release, with_a_broken_store, data_placement._look):
            with monkeypatch.context() as patch:
                patch.setattr(data_placement, "_look", look)
                [view] = probe_nodes((), ObjectStore(str(tmp_path / "trials")))
            found.append((view.code, view.trouble))
    assert found == [("", None), ("", None), (None, "no such bucket"), (code_digest(), None)]
