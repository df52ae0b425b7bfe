"""The thread that carries a spool, with a sink that comes and goes."""

import json
import threading
import time

import pytest

from orchestrator.tracking.spool import Event, Spool
from orchestrator.tracking.uploader import Refused, SpoolUploader


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


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
        uploader = SpoolUploader(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        uploader.start()
        for n in range(30):
            spool.append(Event("tags", "sweep", {"n": n}))
        wait_for(lambda: uploader.error == "ConnectionError: away")
        assert sink.taken == [] and spool.count_unsent() == 30
        sink.away.clear()
        wait_for(lambda: spool.count_unsent() == 0)
        spool.append(Event("tags", "sweep", {"n": 30}))
        assert uploader.close(10) == 0 and uploader.error is None
        assert [event.data["n"] for event in sink.taken] == list(range(31))

    def test_a_sink_that_cannot_be_opened_is_opened_later(self, spool, tmp_path):
        sink, tries = FlakySink(), []

        def open_sink():
            tries.append(1)
            if len(tries) < 3:
                raise OSError("no server")
            return sink

        uploader = SpoolUploader(Spool(tmp_path / "spool"), open_sink, interval=0.01)
        spool.append(Event("tags", "sweep"))
        uploader.start()
        wait_for(lambda: spool.count_unsent() == 0)
        assert uploader.close(10) == 0 and len(sink.taken) == 1 and len(tries) >= 3 and uploader.sink is sink

    def test_closing_says_how_many_are_left_and_does_not_wait_for_ever(self, spool, tmp_path):
        sink = FlakySink()
        sink.away.set()
        uploader = SpoolUploader(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        for _ in range(3):
            spool.append(Event("tags", "sweep"))
        uploader.start()
        began = time.monotonic()
        assert uploader.close(5) == 3 and time.monotonic() - began < 5
        again = SpoolUploader(Spool(tmp_path / "spool"), lambda: sink, interval=0.01)
        sink.away.clear()
        again.start()
        assert again.close(10) == 0 and len(sink.taken) == 3

    def test_a_sink_that_hangs_holds_up_neither_the_sweep_nor_its_end(self, spool, tmp_path):
        let_go = threading.Event()

        class Hanging:
            def send(self, events):
                let_go.wait(20)

        uploader = SpoolUploader(Spool(tmp_path / "spool"), Hanging, interval=0.01)
        uploader.start()
        began = time.monotonic()
        for n in range(1000):
            spool.append(Event("tags", "sweep", {"n": n}))
        assert time.monotonic() - began < 2
        assert uploader.close(0.1) > 0
        let_go.set()

    def test_closed_before_it_was_started(self, spool, tmp_path):
        spool.append(Event("tags", "sweep"))
        assert SpoolUploader(Spool(tmp_path / "spool"), FlakySink).close(1) == 1

    def test_nothing_is_opened_for_nothing(self, tmp_path):
        uploader = SpoolUploader(Spool(tmp_path / "spool"), lambda: pytest.fail("opened"), interval=0.01)
        uploader.start()
        assert uploader.close(5) == 0

    def test_after_a_failure_the_sink_is_opened_again(self, spool):
        """What was done and not answered is to be found before it is done again."""
        opened = []

        class Once:
            def __init__(self):
                opened.append(self)
                self.taken = []

            def send(self, events):
                self.taken += events
                if len(opened) == 1:
                    raise ConnectionError("the answer was lost")

        spool.append(Event("tags", "sweep"))
        uploader = SpoolUploader(spool, Once, interval=0.01)
        assert uploader.upload_batch() and uploader.error and uploader.upload_batch() and not uploader.error
        assert [len(sink.taken) for sink in opened] == [1, 1]
        # Once more when all is sent: a request may have been done after the last look.
        assert not uploader.upload_batch() and not uploader.upload_batch() and len(opened) == 3

    def test_what_is_refused_is_set_aside_and_holds_up_nothing(self, spool):
        taken = []

        class Picky:
            def send(self, events):
                taken.extend(event for event in events if event.data["n"] != 1)
                raise Refused([(event, "not this") for event in events if event.data["n"] == 1])

        for n in range(3):
            spool.append(Event("tags", "sweep", {"n": n}))
        assert SpoolUploader(spool, Picky).finish(0) == 0
        assert [event.data["n"] for event in taken] == [0, 2] and spool.refused() == 1
        set_aside = json.loads((spool.folder / "refused.jsonl").read_text())
        assert set_aside["reason"] == "not this" and set_aside["event"]["data"] == {"n": 1}

    def test_kept_files_go_when_they_have_arrived_and_not_before(self, spool, tmp_path):
        (tmp_path / "a").write_text("a")
        sink = FlakySink()
        spool.append(Event("artifacts", "sweep", {"kept": spool.stage("sweep", [tmp_path / "a"]), "into": "x"}))
        (tmp_path / "a").unlink()
        sink.away.set()
        uploader = SpoolUploader(spool, lambda: sink, interval=0.01)
        assert uploader.finish(0) == 1 and len(list((spool.folder / "files").rglob("a"))) == 1
        sink.away.clear()
        assert uploader.finish(0) == 0 and not (spool.folder / "files").exists()

    def test_finishing_is_patient_for_as_long_as_it_is_told(self, spool):
        sink = FlakySink()
        sink.away.set()
        spool.append(Event("tags", "sweep"))
        uploader = SpoolUploader(spool, lambda: sink, interval=0.01)
        began = time.monotonic()
        assert uploader.finish(0.3) == 1 and uploader.error == "ConnectionError: away"
        assert 0.05 < time.monotonic() - began < 5
        threading.Timer(0.2, sink.away.clear).start()
        assert uploader.finish(30) == 0 and uploader.error is None
