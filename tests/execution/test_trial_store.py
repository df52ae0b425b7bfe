"""Trials in an object store: one suite for a folder and for an S3 server."""

import json
import shutil
import subprocess
from dataclasses import replace
from uuid import uuid4

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStore, ObjectStoreUnavailable, storage_url
from orchestrator.core.training_files import MODEL, PREDICTIONS
from orchestrator.data.cache_folder import cache_dir
from orchestrator.execution.locked_trial_dir import TrialDirLocked
from orchestrator.execution.object_trial_store import ObjectTrialStore, TrialSync
from orchestrator.execution.synced_job import SyncedJob
from orchestrator.execution.training_job import TrainingJob
from orchestrator.execution.trial_download import TrialDownloader
from orchestrator.execution.trial_manifest import MANIFEST
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.training.checkpoint import Checkpoints
from tests.execution.contexts import make_job, make_sweep_context
from tests.s3 import BUCKET


@pytest.fixture(params=["folder", "s3"])
def storage(request, tmp_path):
    if request.param == "s3":
        request.getfixturevalue("s3_server")
        return ObjectStore(f"s3://{BUCKET}/{uuid4().hex}")
    return ObjectStore(str(tmp_path / "shared"))


@pytest.fixture
def trials(storage):
    return ObjectTrialStore(storage.under("sweep-1"))


def steps(trials, tmp_path, job, patience=5.0):
    """Return a worker's job on a node of its own."""
    return SyncedJob(job, replace(make_sweep_context(tmp_path / uuid4().hex), store=trials), TrainingJob, patience)


def times(trials, key, folder):
    trials.fetch(key, folder, lambda name: name == "epochs.jsonl")
    return [json.loads(line)["time"] for line in (folder / "epochs.jsonl").read_text(encoding="utf-8").splitlines()]


def test_object_store_writes_reads_and_removes(storage):
    assert storage.read("a/b") is None
    storage.write("a/b", b"one")
    storage.write("a/b", b"two")
    assert storage.read("a/b") == b"two"
    storage.remove(["a/b", "never/was"])
    assert storage.read("a/b") is None
    storage.check()
    storage.write("c", b"x")
    storage.remove_all()
    assert storage.read("c") is None
    storage.remove_all()


def test_second_worker_resumes_the_first_worker_s_trial(trials, tmp_path):
    job = make_job(epochs=5)
    first = steps(trials, tmp_path, job)
    told = [first.step()["epochs"][0] for _ in range(3)]
    assert not (first.folder.parent.parent / "elsewhere").exists()
    first.close()  # deletes its folder
    assert not first.folder.exists()

    second = steps(trials, tmp_path, job)
    again = second.step()["epochs"]
    assert [epoch["time"] for epoch in again] == [epoch["time"] for epoch in told]
    assert second.step()["epochs"][0]["number"] == 4
    message = second.step()
    assert message["outcome"] == "complete" and "notes" not in message
    assert times(trials, job.key, tmp_path / "seen")[:3] == [epoch["time"] for epoch in told]
    second.close()


def test_confirm_run_s_files_are_fetched_and_parts_are_dropped(trials, tmp_path):
    job = make_job(epochs=1, test=True)
    one = steps(trials, tmp_path, job)
    assert one.step()["outcome"] == "complete"
    one.close()
    here = tmp_path / "driver"
    trials.fetch(job.key, here, lambda name: not name.startswith("last-"))
    assert (here / PREDICTIONS).is_file() and (here / MODEL / "model.safetensors").is_file()
    assert not list(here.glob("last-*")) and set(trials.sizes(job.key)) == {"last", "best", "model"}
    trials.drop(job.key, ["last", "best"])
    assert set(trials.sizes(job.key)) == {"model"}
    trials.fetch(job.key, tmp_path / "later")
    assert (tmp_path / "later" / MODEL / "model.json").is_file() and not list(
        (tmp_path / "later").glob("*.safetensors")
    )


def test_earlier_states_are_removed(storage, trials, tmp_path):
    one = steps(trials, tmp_path, make_job(epochs=4))
    for _ in range(4):
        one.step()
    one.close()
    names = [name for name in trials.manifest("trial-0000").files if name.endswith(".safetensors")]
    assert "last-4.safetensors" in names and len(names) <= 4
    if not storage.url.startswith("s3"):
        objects = list((tmp_path / "shared").rglob("*.safetensors"))
        assert len(objects) == len(names)


def test_partial_upload_is_not_a_checkpoint(trials, tmp_path, monkeypatch):
    """Kill a worker with the tensors of epoch 3, partly uploaded, and the manifest of epoch 2 in the store."""
    job = make_job(epochs=5)
    one = steps(trials, tmp_path, job)
    one.step(), one.step()
    write = ObjectStore.write

    def torn(self, name, content):
        if name.endswith(MANIFEST):
            raise SystemExit
        write(self, name, content[: len(content) // 2])

    monkeypatch.setattr(ObjectStore, "write", torn)
    with pytest.raises(SystemExit):
        one.step()
    monkeypatch.undo()
    two = steps(trials, tmp_path, job)
    assert [epoch["number"] for epoch in two.step()["epochs"]] == [1, 2]
    two.close()


def test_damaged_object_or_manifest_is_skipped(trials, tmp_path):
    job = make_job(epochs=5)
    one = steps(trials, tmp_path, job)
    one.step(), one.step()
    one.close()
    manifest = trials.manifest(job.key)
    damaged = manifest.files["last-2.safetensors"].object
    trials.objects.write(f"{job.key}/{damaged}", b"x" * manifest.files["last-2.safetensors"].size)
    folder = tmp_path / "fetched"
    trials.fetch(job.key, folder)
    assert not (folder / "last-2.safetensors").exists() and (folder / "epochs.jsonl").exists()
    assert Checkpoints(folder).load().state is None
    trials.objects.write(f"{job.key}/{MANIFEST}", manifest.as_bytes()[:-80])
    assert trials.manifest(job.key) is None


def test_replaced_worker_cannot_save(trials, tmp_path):
    job = make_job(epochs=9)
    old = steps(trials, tmp_path, job)
    old.step()
    new = steps(trials, tmp_path, job)
    with pytest.raises(TrialDirLocked, match="is written to by pid"):
        old.step()
    old.close()
    new.step()
    assert new.step()["epochs"][0]["number"] == 2
    third = steps(trials, tmp_path, job)
    assert [epoch["number"] for epoch in third.step()["epochs"]] == [1, 2]


def test_worker_replaced_during_an_upload_does_not_take_the_trial_back(trials, tmp_path, monkeypatch):
    job = make_job(epochs=9)
    old = steps(trials, tmp_path, job)
    old.step()
    write, others = ObjectStore.write, []

    def slow(self, name, content):
        write(self, name, content)
        if not others and "last-2" in name:
            others.append(name)
            others.append(steps(trials, tmp_path, job))

    monkeypatch.setattr(ObjectStore, "write", slow)
    with pytest.raises(TrialDirLocked, match="is written to by pid"):
        old.step()
    new = others[1]
    assert trials.manifest(job.key).writer.token == new._trial_folder._worker.token
    assert [new.step()["epochs"][-1]["number"] for _ in range(2)] == [1, 2]


def test_job_deletes_scratch_folders_of_dead_processes_of_its_host(tmp_path, monkeypatch):
    """Keep folders of other hosts, which may share the cache: their process numbers mean nothing here."""
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path / "cache"))
    trials = ObjectTrialStore(ObjectStore(str(tmp_path / "shared")))
    dead = subprocess.Popen(["true"])
    dead.wait()
    one = steps(trials, tmp_path, make_job())
    own = one.folder.parents[1]
    foreign, left = own.with_name("elsewhere") / f"{dead.pid}-0", own / f"{dead.pid}-0"
    unnamed = cache_dir() / "scratch" / f"{dead.pid}-0"
    for folder in (foreign, left, unnamed):
        folder.mkdir(parents=True)
    two = steps(trials, tmp_path, make_job(number=1))
    assert foreign.is_dir() and unnamed.is_dir() and not left.exists() and one.folder.is_dir()
    one.close(), two.close()


def test_emptied_folder_does_not_replace_the_stored_files(trials, tmp_path):
    job = make_job(epochs=4)
    one = steps(trials, tmp_path, job)
    one.step(), one.step()
    shutil.rmtree(one.folder)
    with pytest.raises(TrialDirLocked, match="was emptied"):
        one._trial_folder.save()
    assert "last-2.safetensors" in trials.manifest(job.key).files


def test_unavailable_object_store_loses_checkpoints_but_no_epochs(trials, tmp_path, monkeypatch):
    job = make_job(epochs=4)
    one = steps(trials, tmp_path, job, patience=0.0)

    def away(self, name, content):
        raise ObjectStoreUnavailable("The storage does not answer: nobody there")

    one.step()
    monkeypatch.setattr(ObjectStore, "write", away)
    assert one.step()["notes"] == ["The storage does not answer: nobody there: checkpoints are paused."]
    assert "notes" not in one.step()
    with pytest.raises(ObjectStoreUnavailable):
        steps(trials, tmp_path, make_job(number=1), patience=0.0)
    monkeypatch.undo()
    assert one.step()["outcome"] == "complete"
    one.close()
    assert "last-4.safetensors" in trials.manifest(job.key).files


def test_missed_files_are_fetched_at_the_end_and_staged_for_mlflow(trials, tmp_path, monkeypatch):
    spool, here = Spool(tmp_path / "spool"), tmp_path / "driver"
    jobs = [make_job(number, epochs=1) for number in range(3)]
    for job in jobs:
        one = steps(trials, tmp_path, job)
        one.step()
        one.close()
    keeps = lambda job, outcome: job.number < 2  # noqa: E731
    downloader, recorder = TrialDownloader(trials, here, keeps), Recorder(spool, here, uploads=keeps)
    asked = []

    def away(self, name):
        asked.append(name)
        raise ObjectStoreUnavailable("nobody there")

    monkeypatch.setattr(ObjectStore, "read", away)
    for job in jobs:
        downloader.on_job_end(job, Outcome.COMPLETE, {}, None)
        recorder.on_job_end(job, Outcome.COMPLETE, {}, None)
    assert len(asked) == 1, "not for every trial in turn"
    monkeypatch.undo()
    known = [(job, LedgerTrial(job.number, {}, {}, {1: 0.5}, Outcome.COMPLETE, None, None)) for job in jobs]
    for _ in range(2):  # the second time, nothing is left to do
        downloader.after(known, recorder.upload_checkpoint)
    assert [bool(list((here / job.key).glob("best-*"))) for job in jobs] == [True, True, False]
    assert all((here / job.key / "epochs.jsonl").is_file() for job in jobs)
    assert [event.run for event in spool.read()[0] if event.kind == "artifacts"] == [job.key for job in jobs[:2]]


def test_confirm_run_waits_for_the_object_store(trials, tmp_path, monkeypatch):
    one = steps(trials, tmp_path, make_job(epochs=1, test=True), patience=0.0)
    monkeypatch.setattr(TrialSync, "save", lambda self: (_ for _ in ()).throw(ObjectStoreUnavailable("away")))
    with pytest.raises(ObjectStoreUnavailable):
        one.step()
    one.close()


def test_unreachable_store_raises_one_sentence_without_secrets(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ObjectStoreUnavailable, match="does not answer: "):
        ObjectStore(str(tmp_path / "file" / "below")).check()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-words")
    with pytest.raises(ObjectStoreUnavailable, match="s3://nowhere/x does not answer") as caught:
        ObjectStore("s3://nowhere/x").check()
    assert "secret-words" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["gs://bucket", "s3://", "s3://key:secret@bucket/x", "s3://bucket?endpoint=x"])
def test_other_urls_are_refused(wrong):
    with pytest.raises(InputError, match="--storage-path takes a folder"):
        storage_url(wrong)


def test_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage_url("shared") == str(tmp_path / "shared")
    assert storage_url("s3://bucket/a/") == "s3://bucket/a"


def test_context_in_another_folder_keeps_its_features_open(tmp_path):
    context = make_sweep_context(tmp_path)
    own = context.working_in(tmp_path / "scratch")
    assert own.training_data(0).features is context.training_data(0).features and own.trials == tmp_path / "scratch"
    assert "_tensors" not in own.__getstate__()
    shutil.rmtree(tmp_path)
