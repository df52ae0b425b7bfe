"""The spool: appended to by many, read in order, lost never, sent again where in doubt."""

import threading

import pytest

from orchestrator.tracking.spool import Event, Spool


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


def test_events_come_back_whole_and_in_order(folder):
    made = fill(folder, 50)
    assert Spool(folder).read() == (made, (folder / "events.jsonl").stat().st_size)


def test_an_empty_spool_is_no_error(folder):
    spool = Spool(folder)
    assert spool.read() == ([], 0) and spool.left() == 0 and not folder.exists()


def test_batches_follow_one_another(folder):
    made, spool, found = fill(folder, 25), Spool(folder), []
    while True:
        batch, place = spool.read(limit=10)
        if not batch:
            break
        assert len(batch) <= 10
        found += batch
        spool.mark_sent(place)
        assert spool.left() == 25 - len(found)
    assert found == made


def test_what_was_not_marked_is_read_again_also_by_another_process(folder):
    made = fill(folder, 10)
    first = Spool(folder)
    batch, place = first.read(limit=4)
    assert first.read(limit=4)[0] == Spool(folder).read(limit=4)[0] == batch == made[:4]
    first.mark_sent(place)
    assert Spool(folder).read()[0] == made[4:] and Spool(folder).left() == 6


def test_a_half_written_event_is_not_read_until_it_is_whole(folder):
    made = fill(folder, 3)
    line = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)[0]
    with (folder / "events.jsonl").open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert Spool(folder).read()[0] == made and Spool(folder).left() == 3
        file.write(line[20:])
    assert Spool(folder).read()[0] == [*made, made[0]]


def test_the_next_writer_cuts_the_half_line_of_a_killed_one(folder):
    made = fill(folder, 3)
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "met')
    new = Event("end", "trial-0000", {"status": "FINISHED"}, time=5)
    Spool(folder).append(new)
    assert Spool(folder).read()[0] == [*made, new]


@pytest.mark.parametrize("content", ["", "12x", None])
def test_a_lost_place_means_sending_all_again(folder, content):
    made = fill(folder, 3)
    if content is not None:
        (folder / "sent").write_text(content)
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


def test_reading_while_it_is_written(folder):
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


def test_an_event_is_stamped_when_it_is_made():
    assert Event("tags", "sweep").time > 1_600_000_000_000
