"""Conformance suite of the sinks: all events arrive, in order, once."""

import os
import signal
import time

import pytest

from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import index_spool
from orchestrator.tracking.uploader import SpoolUploader
from tests.tracking.tracked import MemoryTracked, job, record_epoch, record_sweep, record_trial, wait_for


def time_of(epoch):
    return int((1.7e9 + epoch) * 1000)


def is_whole(shown, trials):
    assert set(shown) == {SWEEP, *(job(number).key for number in range(trials))}
    for number in range(trials):
        run = shown[job(number).key]
        assert run["status"] == "FINISHED" and run["tags"] == {"outcome": "complete", "seed": "7"}
        params = {"variant": "text_hyper", **{key: str(value) for key, value in job(number).params.items()}}
        assert run["params"] == params
        for metric in ("val_srcc", "m3"):
            assert run["curves"][metric] == [(epoch, epoch / 10, time_of(epoch)) for epoch in (1, 2, 3)]
        assert run["curves"]["best_val_srcc"] == [(0, 0.3, time_of(3))]
    assert shown[SWEEP]["status"] == "FINISHED"
    return True


def test_all_events_arrive(conforming):
    record_sweep(conforming.recorder, trials=3)
    assert conforming.uploader().finish(0) == 0
    assert is_whole(conforming.shown(), 3)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_events_sent_twice_make_one_point(conforming, size):
    """A kill between the arrival of a batch and the note that it arrived; every batch twice, and then all again."""
    record_sweep(conforming.recorder, trials=2)
    events = conforming.spool.read(10**6)[0]
    sink = conforming.sink()
    for start in range(0, len(events), size):
        for _ in range(2):
            sink.send(events[start : start + size])
    conforming.sink().send(events)
    assert is_whole(conforming.shown(), 2)


def test_a_run_is_created_once_if_the_answer_is_lost(conforming):
    record_sweep(conforming.recorder, trials=3)
    with conforming.answers_lost(3):
        uploader = conforming.uploader()
        uploader.start()
        wait_for(lambda: conforming.spool.count_unsent() == 0)
        assert uploader.close(30) == 0
    assert is_whole(conforming.shown(), 3)


def test_a_killed_driver_and_the_resumed_one_log_one_curve(conforming):
    """The resumed driver gets epochs again, and trains one again at another time."""
    recorder = conforming.recorder
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    recorder.on_job_start(job(0))
    for number in (1, 2):
        record_epoch(recorder, job(0), number)
    conforming.uploader().finish(0)
    told = index_spool(Spool(conforming.spool.folder))
    again = Recorder(conforming.spool, conforming.folder / "trials", index=told)
    again.record("start", SWEEP, name="s", params={}, tags={})
    record_trial(again, job(0))
    again.record("end", SWEEP, status="FINISHED")
    conforming.uploader().finish(0)
    assert is_whole(conforming.shown(), 1)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_stored(conforming, outcome):
    conforming.recorder.record("start", SWEEP, name="s", params={}, tags={})
    record_trial(conforming.recorder, job(0), outcome, error="boom" if outcome is Outcome.FAILED else None)
    conforming.uploader().finish(0)
    run = conforming.shown()["trial-0000"]
    assert run["tags"]["outcome"] == str(outcome)
    assert run["status"] == ("FINISHED" if outcome in {Outcome.COMPLETE, Outcome.PRUNED} else "FAILED")


def test_a_run_without_its_start_event_is_created(conforming):
    """A damaged line takes a start with it; the events behind it are not to be lost with it."""
    record_epoch(conforming.recorder, job(0), 1)
    conforming.recorder.record("end", "trial-0000", status="FINISHED")
    assert conforming.uploader().finish(0) == 0
    run = conforming.shown()["trial-0000"]
    assert run["status"] == "FINISHED" and run["curves"]["m1"] == [(1, 0.1, time_of(1))]


def test_all_events_arrive_after_the_server_was_killed_and_restarted(tracking_server, tmp_path, monkeypatch):
    """Events are recorded at full speed while the server is down, and arrive once and in order afterwards."""
    from tests.tracking.tracked import Tracked

    monkeypatch.chdir(tmp_path)
    tracked = Tracked(tracking_server.uri, tmp_path)
    recorder, uploader = tracked.recorder, tracked.uploader()
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    uploader.start()
    record_trial(recorder, job(0))
    wait_for(lambda: tracked.spool.count_unsent() == 0)
    for number in (1, 2):
        recorder.on_job_start(job(number))
        record_epoch(recorder, job(number), 1)
    tracking_server.kill()
    began = time.monotonic()
    try:
        for number in (1, 2):
            record_trial(recorder, job(number))
        assert time.monotonic() - began < 1
        wait_for(lambda: uploader.error)
        assert tracked.spool.count_unsent() > 0
    finally:
        tracking_server.start()
    recorder.record("end", SWEEP, status="FINISHED")
    wait_for(lambda: tracked.spool.count_unsent() == 0, 90)
    assert uploader.close(60) == 0 and uploader.error is None
    assert is_whole(tracked.shown(), 3)


def test_a_server_that_does_not_answer_delays_the_end_by_seconds_only(tracking_server, tmp_path, monkeypatch):
    """A stopped server accepts connections without an answer, and does the work when it continues."""
    from tests.tracking.tracked import Tracked

    monkeypatch.chdir(tmp_path)
    tracked = Tracked(tracking_server.uri, tmp_path)
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    first = tracked.uploader()
    assert first.finish(0) == 0
    record_trial(tracked.recorder, job(0))
    group = os.getpgid(tracking_server.process.pid)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    os.killpg(group, signal.SIGSTOP)
    try:
        began = time.monotonic()
        # The sink is open, so that the first request is the one that makes the run.
        assert first.upload_batch() and "timed out" in first.error
        first.release()
        uploader = tracked.uploader()
        uploader.start()
        assert uploader.close(60) > 0 and time.monotonic() - began < 20
        assert "timed out" in uploader.error
    finally:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        os.killpg(group, signal.SIGCONT)
    tracked.recorder.record("end", SWEEP, status="FINISHED")
    later = tracked.uploader()
    later.start()
    wait_for(lambda: tracked.spool.count_unsent() == 0, 90)
    assert later.close(60) == 0
    tracked.sink()  # what a late answer made is found the next time, if it was not there yet
    assert is_whole(tracked.shown(), 1)


def test_one_uploader_at_a_time_sends_a_spool(tmp_path):
    """Two uploaders, such as a sweep's and that of `sync`, would create runs twice."""
    tracked = MemoryTracked(tmp_path)
    record_sweep(tracked.recorder)
    first = tracked.uploader()
    assert first.upload_batch()
    tracked.recorder.record("end", SWEEP, status="FINISHED")
    second = SpoolUploader(Spool(tmp_path / "spool"), tracked.sink, interval=0.01)
    assert second.upload_batch() and second.error == "another process is sending this sweep's events"
    first.release()
    assert second.finish(1) == 0 and second.error is None
    assert is_whole(tracked.shown(), 1)
