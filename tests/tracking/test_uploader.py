"""The uploader, with a sink that is unavailable at times."""

import json
import threading
import time

import pytest

from orchestrator.tracking.spool import Event, Spool
from orchestrator.tracking.uploader import Refused, SpoolUploader
from tests.tracking.tracked import wait_for


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


class FlakySink:
    """Sink that raises while it is unavailable."""

    def __init__(self):
        self.away = threading.Event()
        self.taken: list[Event] = []

    def send(self, events):
        if self.away.is_set():
            raise ConnectionError("away")
        self.taken += events


class TestUploader:
    def test_all_events_arrive_once_and_in_order_after_the_sink_was_unavailable(self, spool, tmp_path):
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

    def test_opening_a_sink_is_retried(self, spool, tmp_path):
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

    def test_closing_returns_the_number_of_unsent_events_within_the_timeout(self, spool, tmp_path):
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

    def test_a_hanging_sink_delays_neither_the_sweep_nor_its_end(self, spool, tmp_path):
        released = threading.Event()

        class Hanging:
            def send(self, events):
                released.wait(20)

        uploader = SpoolUploader(Spool(tmp_path / "spool"), Hanging, interval=0.01)
        uploader.start()
        began = time.monotonic()
        for n in range(1000):
            spool.append(Event("tags", "sweep", {"n": n}))
        assert time.monotonic() - began < 2
        assert uploader.close(0.1) > 0
        released.set()

    def test_closing_an_uploader_that_was_not_started_returns_its_events(self, spool, tmp_path):
        spool.append(Event("tags", "sweep"))
        assert SpoolUploader(Spool(tmp_path / "spool"), FlakySink).close(1) == 1

    def test_no_sink_is_opened_without_events(self, tmp_path):
        uploader = SpoolUploader(Spool(tmp_path / "spool"), lambda: pytest.fail("opened"), interval=0.01)
        uploader.start()
        assert uploader.close(5) == 0

    def test_after_a_failure_the_sink_is_opened_again(self, spool):
        """Work whose answer was lost has to be found before it is done again."""
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

    def test_refused_events_are_stored_and_the_others_arrive(self, spool):
        taken = []

        class Picky:
            def send(self, events):
                taken.extend(event for event in events if event.data["n"] != 1)
                raise Refused([(event, "not this") for event in events if event.data["n"] == 1])

        for n in range(3):
            spool.append(Event("tags", "sweep", {"n": n}))
        assert SpoolUploader(spool, Picky).finish(0) == 0
        assert [event.data["n"] for event in taken] == [0, 2] and spool.refused() == 1
        stored = json.loads((spool.folder / "refused.jsonl").read_text(encoding="utf-8"))
        assert stored["reason"] == "not this" and stored["event"]["data"] == {"n": 1}

    def test_staged_files_are_deleted_after_their_arrival(self, spool, tmp_path):
        (tmp_path / "a").write_text("a", encoding="utf-8")
        sink = FlakySink()
        spool.append(Event("artifacts", "sweep", {"kept": spool.stage("sweep", [tmp_path / "a"]), "into": "x"}))
        (tmp_path / "a").unlink()
        sink.away.set()
        uploader = SpoolUploader(spool, lambda: sink, interval=0.01)
        assert uploader.finish(0) == 1 and len(list((spool.folder / "files").rglob("a"))) == 1
        sink.away.clear()
        assert uploader.finish(0) == 0 and not (spool.folder / "files").exists()

    def test_finishing_retries_for_the_given_time(self, spool):
        sink = FlakySink()
        sink.away.set()
        spool.append(Event("tags", "sweep"))
        uploader = SpoolUploader(spool, lambda: sink, interval=0.01)
        began = time.monotonic()
        assert uploader.finish(0.3) == 1 and uploader.error == "ConnectionError: away"
        assert 0.05 < time.monotonic() - began < 5
        threading.Timer(0.2, sink.away.clear).start()
        assert uploader.finish(30) == 0 and uploader.error is None
