"""The spool: many writers, reads in order, no lost event, and events that are sent again if in doubt."""

import errno
import threading
from io import FileIO

import pytest

from orchestrator.tracking.event import NewerSpool, encode
from orchestrator.tracking.spool import Event, Spool
from orchestrator.tracking.spooled_runs import index_spool
from orchestrator.tracking.staged_artifacts import remove_stale


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


def events(count, run="trial-0000"):
    return [Event("metrics", run, {"step": n, "metrics": {"a": n / 7}}, time=1000 + n) for n in range(count)]


def fill(folder, count):
    spool, made = Spool(folder), events(count)
    for event in made:
        spool.append(event)
    return made


def test_events_are_read_back_in_order(folder):
    made = fill(folder, 50)
    assert Spool(folder).read() == (made, (folder / "events.jsonl").stat().st_size)


def test_an_empty_spool_has_no_events(folder):
    spool = Spool(folder)
    assert spool.read() == ([], 0) and spool.count_unsent() == 0 and not folder.exists()


def test_batches_have_consecutive_events(folder):
    made, spool, found = fill(folder, 25), Spool(folder), []
    while True:
        batch, place = spool.read(limit=10)
        if not batch:
            break
        assert len(batch) <= 10
        found += batch
        spool.mark_sent(place)
        assert spool.count_unsent() == 25 - len(found)
    assert found == made


def test_unsent_events_are_read_again(folder):
    made = fill(folder, 10)
    first = Spool(folder)
    batch, place = first.read(limit=4)
    assert first.read(limit=4)[0] == Spool(folder).read(limit=4)[0] == batch == made[:4]
    first.mark_sent(place)
    assert Spool(folder).read()[0] == made[4:] and Spool(folder).count_unsent() == 6


def test_a_half_written_event_is_not_read(folder):
    made = fill(folder, 3)
    line = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)[0]
    with (folder / "events.jsonl").open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert Spool(folder).read()[0] == made and Spool(folder).count_unsent() == 3
        file.write(line[20:])
    assert Spool(folder).read()[0] == [*made, made[0]]


def test_a_writer_cuts_off_the_half_line_of_a_killed_one(folder):
    made = fill(folder, 3)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "met')
    new = Event("end", "trial-0000", {"status": "FINISHED"}, time=5)
    Spool(folder).append(new)
    assert Spool(folder).read()[0] == [*made, new]


@pytest.mark.parametrize("content", ["", "12x", None])
def test_all_events_are_sent_again_if_the_position_is_lost(folder, content):
    made = fill(folder, 3)
    if content is not None:
        (folder / "sent").write_text(content, encoding="utf-8")
    assert Spool(folder).read()[0] == made


def test_many_threads_append_whole_lines(folder):
    spool = Spool(folder)

    def work(name):
        for event in events(100, name):
            spool.append(event)

    threads = [threading.Thread(target=work, args=(f"trial-{n:04d}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found, _ = spool.read()
    assert len(found) == 800
    for n in range(8):
        own = [event for event in found if event.run == f"trial-{n:04d}"]
        assert own == events(100, f"trial-{n:04d}")


def test_a_spool_is_read_during_writes(folder):
    writer, reader, found = Spool(folder), Spool(folder), []
    thread = threading.Thread(target=lambda: [writer.append(event) for event in events(500)])
    thread.start()
    while len(found) < 500:
        batch, place = reader.read(limit=17)
        if batch:
            found += batch
            reader.mark_sent(place)
    thread.join()
    assert found == events(500)


def test_an_event_has_the_time_of_its_creation():
    assert Event("tags", "sweep").time > 1_600_000_000_000


def test_a_damaged_line_is_skipped_and_reported_once(folder, caplog):
    made = fill(folder, 5)
    content = bytearray((folder / "events.jsonl").read_bytes())
    second = content.index(b"\n") + 1
    content[second + 30] ^= 1
    (folder / "events.jsonl").write_bytes(content)
    spool = Spool(folder)
    for _ in range(3):
        assert spool.read()[0] == [made[0], *made[2:]] and spool.count_unsent() == 4
    (warning,) = spool.warnings
    assert f"at byte {second} is damaged" in warning and "checksum" in warning and caplog.text.count("passed over") == 1


def test_a_position_after_a_lost_end_skips_no_event(folder):
    """A file that lost its end, after a loss of power say, is shorter than what was sent of it."""
    made, spool = fill(folder, 6), Spool(folder)
    spool.mark_sent(spool.read()[1])
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:9])
    again = Spool(folder)
    assert again.read()[0] == [] and again.count_unsent() == 0
    for event in made[2:]:
        again.append(event)
    assert again.read()[0] == made[2:] and "half a line" in again.warnings[0]


def test_a_position_inside_a_line_reads_the_whole_line(folder):
    made, spool = fill(folder, 3), Spool(folder)
    spool.mark_sent(len(encode(made[0])) + 7)
    assert spool.read()[0] == made[1:]


def test_a_file_of_a_later_version_is_refused_unchanged(folder):
    fill(folder, 2)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"v": 3, "new": "form"}\n')
    before = (folder / "events.jsonl").read_bytes()
    for use in (Spool(folder).read, lambda: Spool(folder).append(events(1)[0]), lambda: index_spool(Spool(folder))):
        with pytest.raises(NewerSpool, match="schema version 3"):
            use()
    assert (folder / "events.jsonl").read_bytes() == before


class FullDisk:
    """Disk with room for a number of bytes; writes fail while it is full."""

    def __init__(self, monkeypatch, room):
        self.room, write = room, FileIO.write

        def limited(file, data):
            if self.room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            part = bytes(data)[: self.room]
            self.room -= len(part)
            return write(file, part)

        class Limited(FileIO):
            write = limited

        monkeypatch.setattr("orchestrator.tracking.spool.FileIO", Limited)


@pytest.mark.parametrize("room", [0, 10, 200, 333])
def test_events_wait_in_order_while_the_disk_is_full(folder, monkeypatch, room):
    disk = FullDisk(monkeypatch, room)
    spool, made = Spool(folder), events(8)
    for event in made[:5]:
        spool.append(event)
    whole = room // len(encode(made[0]))
    assert Spool(folder).read()[0] == made[:whole] and spool.count_unsent() == 5
    assert "No space left" in spool.write_error
    assert (folder / "events.jsonl").read_bytes() == b"".join(map(encode, made[:whole])), "no half line stays"
    disk.room = 10**6
    for event in made[5:]:
        spool.append(event)
    assert Spool(folder).read()[0] == made and spool.write_error is None and spool.warnings == []


class TestKeptFiles:
    @pytest.fixture
    def made(self, tmp_path):
        (tmp_path / "model" / "deep").mkdir(parents=True)
        (tmp_path / "model" / "deep" / "a").write_text("a", encoding="utf-8")
        (tmp_path / "b").write_text("b", encoding="utf-8")
        return [tmp_path / "model", tmp_path / "b"]

    def test_staged_files_outlive_the_originals(self, folder, made, tmp_path):
        spool = Spool(folder)
        event = Event("artifacts", "sweep", {"kept": spool.stage("sweep", made), "into": "x"})
        spool.append(event)
        made[1].unlink()
        (found,) = spool.read()[0]
        assert (folder / found.data["kept"]).samefile(found.data["path"])
        # A sweep's folder that is moved takes them along.
        moved = Spool(folder.rename(tmp_path / "moved"))
        ((found,), _) = moved.read()
        at = tmp_path / "moved" / found.data["kept"]
        assert found.data["path"].rstrip("/") == str(at)
        assert (at / "model" / "deep" / "a").read_text(encoding="utf-8") == "a" and (at / "b").read_text(
            encoding="utf-8"
        ) == "b"
        moved.release([found])
        assert not (tmp_path / "moved" / "files").exists()

    def test_files_are_copied_if_they_cannot_be_linked(self, folder, made, monkeypatch):
        def refuse(*arguments):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr("os.link", refuse)
        name = Spool(folder).stage("sweep", made)
        assert (folder / name / "b").read_text(encoding="utf-8") == "b" and not (folder / name / "b").samefile(made[1])

    def test_staged_files_without_an_unsent_event_are_deleted(self, folder, made):
        spool = Spool(folder)
        sent, waiting, unwritten = (spool.stage("sweep", made) for _ in range(3))
        spool.append(Event("artifacts", "sweep", {"kept": sent, "into": "x"}))
        spool.mark_sent(spool.read()[1])
        spool.append(Event("artifacts", "sweep", {"kept": waiting, "into": "x"}))
        remove_stale(folder, index_spool(spool).staged)
        there = [(folder / name).exists() for name in (sent, waiting, unwritten)]
        assert there == [False, True, False]
