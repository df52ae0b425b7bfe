"""The recorder's events, and the thread that carries them, with a sink that comes and goes."""

import math
import threading
import time

import pytest

from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import STATUS, Drain, Recorder
from orchestrator.tracking.spool import Event, Spool

TRIAL = Job("search", 3, "text_hyper", None, {}, {"epochs": 2}, 0, 7, False, params={"lr": 0.1, "depth": 2})
CONTROL = Job("control", 1, "plain_head", "text_hyper", {}, {"epochs": 2}, 0, 7, False, params={"lr": 0.2})
CONFIRM = Job("confirm", 5, "text_hyper", None, {}, {"epochs": 2}, 2, 9, True, source="trial-0003")
BASELINES = Job("confirm", 0, "", None, {}, {"epochs": 1}, 1, 8, True)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def recorder(spool, tmp_path):
    return Recorder(spool, tmp_path / "trials")


def told(spool):
    return [(event.kind, event.run, event.data) for event in spool.read()[0]]


class TestRecorder:
    def test_a_trial_from_start_to_end(self, recorder, spool, tmp_path):
        (tmp_path / "trials" / TRIAL.key).mkdir(parents=True)
        recorder.started(TRIAL)
        recorder.epoch(TRIAL, Epoch(1, 0.5, {"val_srcc": 0.5, "train_loss": 0.3}, 1.5, 1234.5678))
        recorder.ended(TRIAL, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
        key = "trial-0003"
        assert told(spool) == [
            (
                "start",
                key,
                {
                    "name": "trial 3",
                    "params": {"variant": "text_hyper", "lr": 0.1, "depth": 2},
                    "tags": {"study": "search", "split": 0, "seed": 7},
                },
            ),
            ("metrics", key, {"step": 1, "metrics": {"val_srcc": 0.5, "train_loss": 0.3}}),
            ("metrics", key, {"step": 0, "metrics": {"best_val_srcc": 0.5}}),
            ("tags", key, {"tags": {"outcome": "complete"}}),
            ("artifacts", key, {"path": str(tmp_path / "trials" / key), "into": "checkpoint"}),
            ("end", key, {"status": "FINISHED"}),
        ]
        assert spool.read()[0][1].time == 1234567

    def test_where_a_run_comes_from_is_on_it(self, spool, tmp_path):
        recorder = Recorder(spool, tmp_path / "trials", lambda job: {"host": "here", "split_hash": f"of {job.split}"})
        recorder.started(TRIAL)
        recorder.started(CONFIRM)
        tags = [data["tags"] for _, _, data in told(spool)]
        assert [tag["split_hash"] for tag in tags] == ["of 0", "of 2"] and tags[0]["host"] == "here"
        assert tags[0]["study"] == "search"

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_outcome_has_a_status_and_a_tag(self, recorder, spool, outcome):
        recorder.ended(TRIAL, outcome, {}, "Traceback\nboom" if outcome is Outcome.FAILED else None)
        kinds = {kind: data for kind, _, data in told(spool)}
        assert kinds["tags"]["tags"]["outcome"] == str(outcome)
        assert kinds["tags"]["tags"].get("error") == ("Traceback\nboom" if outcome is Outcome.FAILED else None)
        good = outcome in {Outcome.COMPLETE, Outcome.PRUNED}
        assert kinds["end"]["status"] == STATUS[outcome] == ("FINISHED" if good else "FAILED")

    def test_only_a_complete_run_with_a_folder_has_a_checkpoint_to_log(self, recorder, spool, tmp_path):
        recorder.ended(TRIAL, Outcome.COMPLETE, {}, None)
        (tmp_path / "trials" / TRIAL.key).mkdir(parents=True)
        recorder.ended(TRIAL, Outcome.PRUNED, {}, None)
        assert "artifacts" not in {kind for kind, _, _ in told(spool)}

    def test_control_confirm_and_baselines_say_what_they_are(self, recorder, spool):
        for job in (CONTROL, CONFIRM, BASELINES):
            recorder.started(job)
        control, confirm, baselines = (data for _, _, data in told(spool))
        assert (control["name"], control["tags"]["control_of"]) == ("control 1", "text_hyper")
        assert (confirm["name"], confirm["tags"]["source"]) == ("confirm trial 3, split 2", "trial-0003")
        assert (baselines["name"], baselines["params"]) == ("baselines, split 1", {"variant": "baselines"})

    def test_a_point_that_cannot_be_drawn_is_left_out(self, recorder, spool):
        metrics = {"val_srcc": math.nan, "train_loss": math.inf, "lr": 0.1}
        recorder.epoch(TRIAL, Epoch(1, math.nan, metrics, 1.0, 1.0, diverged=True))
        assert told(spool)[0][2]["metrics"] == {"lr": 0.1}

    def test_interrupted_is_killed_until_it_goes_on(self, recorder, spool):
        recorder.interrupted(TRIAL)
        assert told(spool) == [
            ("tags", "trial-0003", {"tags": {"outcome": "interrupted"}}),
            ("end", "trial-0003", {"status": "KILLED"}),
        ]


class FlakySink:
    """Takes events, or raises while it is away; can lose its answer after taking them."""

    def __init__(self):
        self.away = threading.Event()
        self.taken: list[Event] = []

    def send(self, events):
        if self.away.is_set():
            raise ConnectionError("away")
        self.taken += events


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.005)


class TestDrain:
    def test_everything_arrives_once_and_in_order_although_the_sink_was_away(self, spool, tmp_path):
        sink = FlakySink()
        sink.away.set()
        drain = Drain(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        drain.start()
        for n in range(30):
            spool.append(Event("tags", "sweep", {"n": n}))
        wait_for(lambda: drain.error == "ConnectionError: away")
        assert sink.taken == [] and spool.left() == 30
        sink.away.clear()
        wait_for(lambda: spool.left() == 0)
        spool.append(Event("tags", "sweep", {"n": 30}))
        assert drain.close(10) == 0 and drain.error is None
        assert [event.data["n"] for event in sink.taken] == list(range(31))

    def test_a_sink_that_cannot_be_opened_is_opened_later(self, spool, tmp_path):
        sink, tries = FlakySink(), []

        def open_sink():
            tries.append(1)
            if len(tries) < 3:
                raise OSError("no server")
            return sink

        drain = Drain(Spool(tmp_path / "spool"), open_sink, interval=0.01)
        spool.append(Event("tags", "sweep"))
        drain.start()
        wait_for(lambda: spool.left() == 0)
        assert drain.close(10) == 0 and len(sink.taken) == 1 and len(tries) == 3 and drain.sink is sink

    def test_closing_says_how_many_are_left_and_does_not_wait_for_ever(self, spool, tmp_path):
        sink = FlakySink()
        sink.away.set()
        drain = Drain(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        for _ in range(3):
            spool.append(Event("tags", "sweep"))
        drain.start()
        began = time.monotonic()
        assert drain.close(5) == 3 and time.monotonic() - began < 5
        again = Drain(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        sink.away.clear()
        again.start()
        assert again.close(10) == 0 and len(sink.taken) == 3

    def test_a_sink_that_hangs_holds_up_neither_the_sweep_nor_its_end(self, spool, tmp_path):
        let_go = threading.Event()

        class Hanging:
            def send(self, events):
                let_go.wait(20)

        drain = Drain(Spool(tmp_path / "spool"), Hanging, interval=0.01)
        drain.start()
        began = time.monotonic()
        for n in range(1000):
            spool.append(Event("tags", "sweep", {"n": n}))
        assert time.monotonic() - began < 2
        assert drain.close(0.1) > 0
        let_go.set()

    def test_closed_before_it_was_started(self, spool, tmp_path):
        spool.append(Event("tags", "sweep"))
        assert Drain(Spool(tmp_path / "spool"), FlakySink).close(1) == 1

    def test_nothing_is_opened_for_nothing(self, tmp_path):
        drain = Drain(Spool(tmp_path / "spool"), lambda: pytest.fail("opened"), interval=0.01)
        drain.start()
        assert drain.close(5) == 0
