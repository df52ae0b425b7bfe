import json
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from orchestrator.core.errors import InputError
from orchestrator.data import array_files
from orchestrator.data.array_files import ArrayFolder, Block
from orchestrator.data.progress import silent

_ROWS = 1000


class Producer:
    """Row i is i and 2i; counts the rows it is asked for."""

    def __init__(self, rows: int = _ROWS, batch: int = 32) -> None:
        self.rows = rows
        self.batch = batch
        self.produced: list[int] = []

    def __call__(self, start: int) -> Iterator[Block]:
        for first in range(start, self.rows, self.batch):
            rows = np.arange(first, min(first + self.batch, self.rows), dtype=np.float32)
            self.produced.extend(rows.astype(int).tolist())
            yield {"one": rows[:, None], "two": np.stack([rows, 2 * rows], axis=1)}


@pytest.fixture
def folder(tmp_path: Path) -> ArrayFolder:
    return ArrayFolder(tmp_path / "store" / "made-1", "made 1", _ROWS)


def _assert_complete(folder: ArrayFolder) -> None:
    opened = folder.open()
    assert opened is not None
    assert {name: array.shape for name, array in opened.items()} == {"one": (1,), "two": (2,)}
    assert np.array_equal(opened["two"].open(), np.stack([np.arange(_ROWS), 2 * np.arange(_ROWS)], axis=1))


def test_arrays_are_computed_once(folder: ArrayFolder) -> None:
    producer = Producer()
    assert folder.open() is None
    folder.ensure(producer, silent, "numbers")
    _assert_complete(folder)
    folder.ensure(producer, silent, "numbers")
    assert producer.produced == list(range(_ROWS))
    assert sorted(path.name for path in folder.path.iterdir()) == ["meta.json", "one.npy", "two.npy"]


@pytest.mark.parametrize("killed_at", [0, 32, 288, 640, _ROWS])
def test_killed_computation_resumes_from_its_last_chunk(folder: ArrayFolder, killed_at: int) -> None:
    def kill(done: int, total: int, what: str) -> None:
        assert (total, what) == (_ROWS, "numbers")
        if done >= killed_at:
            raise KeyboardInterrupt

    first, second = Producer(), Producer()
    with pytest.raises(KeyboardInterrupt):
        folder.ensure(first, kill, "numbers")
    assert folder.open() is None
    folder.ensure(second, silent, "numbers")
    _assert_complete(folder)
    kept = killed_at if killed_at == _ROWS else killed_at // array_files.CHUNK_ROWS * array_files.CHUNK_ROWS
    assert second.produced == list(range(kept, _ROWS))


def test_progress_begins_where_the_last_one_stopped(folder: ArrayFolder) -> None:
    reported: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        if done >= 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.ensure(Producer(), kill, "numbers")
    folder.ensure(Producer(), lambda done, total, what: reported.append(done), "numbers")
    assert reported[0] == 512
    assert reported[-1] == _ROWS
    assert reported == sorted(reported)


@pytest.mark.parametrize("damage", ["short", "gone", "other", "meta", "identity"])
def test_damaged_arrays_are_computed_again(folder: ArrayFolder, damage: str) -> None:
    folder.ensure(Producer(), silent, "numbers")
    array, meta = folder.path / "two.npy", folder.path / "meta.json"
    if damage == "short":
        array.write_bytes(array.read_bytes()[:-100])
    elif damage == "gone":
        array.unlink()
    elif damage == "other":
        np.save(array, np.zeros((_ROWS, 3), np.float16))
    elif damage == "meta":
        meta.write_text("{", encoding="utf-8")
    else:
        meta.write_text(
            json.dumps({**json.loads(meta.read_text(encoding="utf-8")), "identity": "made 2"}), encoding="utf-8"
        )
    assert folder.open() is None
    folder.ensure(Producer(), silent, "numbers")
    _assert_complete(folder)


def test_a_damaged_draft_is_begun_again(folder: ArrayFolder) -> None:
    def kill(done: int, total: int, what: str) -> None:
        if done >= 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.ensure(Producer(), kill, "numbers")
    (folder.path.with_name("made-1.partial") / "one.npy").write_bytes(b"")
    producer = Producer()
    folder.ensure(producer, silent, "numbers")
    _assert_complete(folder)
    assert producer.produced[0] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_values_that_float16_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    def produce(start: int) -> Iterator[Block]:
        yield {"one": np.array([[1.0], [2.0], [value]], dtype=np.float32)}

    with pytest.raises(ValueError, match="'one' of row 2 is not finite in float16"):
        ArrayFolder(tmp_path / "a", "a", 3).ensure(produce, silent, "numbers")


def test_a_full_disk_is_explained_before_the_work(folder: ArrayFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5000})())
    producer = Producer()
    with pytest.raises(InputError, match="HYPERASSESS_CACHE"):
        folder.ensure(producer, silent, "numbers")
    assert len(producer.produced) == producer.batch


def test_too_few_rows_are_refused(folder: ArrayFolder) -> None:
    with pytest.raises(ValueError, match="900 of 1000 rows"):
        folder.ensure(Producer(rows=900), silent, "numbers")
    assert folder.open() is None


def test_who_waits_for_another_process_says_so(folder: ArrayFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "_POLL_SECONDS", 0.01)
    folder.path.parent.mkdir(parents=True)
    other = FileLock(folder.path.with_name("made-1.lock"), is_singleton=False)
    other.acquire()
    said: list[str] = []

    def listen(done: int, total: int, what: str) -> None:
        said.append(what)
        if len(said) == 3:
            other.release()

    folder.ensure(Producer(), listen, "numbers")
    assert said[:3] == ["numbers (in another process)"] * 3
    assert said[-1] == "numbers"
    _assert_complete(folder)


def _ensure_slowly(folder: ArrayFolder, started: Event, counts: "multiprocessing.Queue[int]") -> None:
    producer = Producer()

    def slow(done: int, total: int, what: str) -> None:
        started.set()
        time.sleep(0.005)

    folder.ensure(producer, slow, "numbers")
    counts.put(len(producer.produced))


def test_two_processes_never_compute_the_same(folder: ArrayFolder) -> None:
    context = multiprocessing.get_context("fork")
    started, counts = context.Event(), context.Queue()
    processes = [context.Process(target=_ensure_slowly, args=(folder, started, counts)) for _ in range(2)]
    for process in processes:
        process.start()
        assert started.wait(30)
    assert sorted(counts.get(timeout=30) for _ in processes) == [0, _ROWS]
    for process in processes:
        process.join(30)
    _assert_complete(folder)


def test_a_process_that_dies_leaves_the_lock_and_its_chunks(folder: ArrayFolder) -> None:
    context = multiprocessing.get_context("fork")
    started, counts = context.Event(), context.Queue()
    process = context.Process(target=_ensure_slowly, args=(folder, started, counts))
    process.start()
    partial = folder.path.with_name("made-1.partial") / "progress.json"
    deadline = time.monotonic() + 30
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.join(30)
    producer = Producer()
    folder.ensure(producer, silent, "numbers")
    _assert_complete(folder)
    assert producer.produced[0] >= array_files.CHUNK_ROWS


def test_what_is_written_to_opened_arrays_stays_in_the_process(folder: ArrayFolder) -> None:
    stored = folder.ensure(Producer(), silent, "numbers")
    stored["one"].open()[:] = -1
    _assert_complete(folder)
