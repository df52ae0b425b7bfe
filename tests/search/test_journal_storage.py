"""Damage, full disks and locks of a journal file."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.search import journal_storage as journal_module
from orchestrator.search.journal_storage import LINES, open_journal, truncate_damaged_tail
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from tests.search.small_ledger import SPACE, train


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "ledger.journal"


def open_ledger(path: Path, reported: list[str] | None = None) -> Ledger:
    return Ledger(open_journal(path, ([] if reported is None else reported).append), "search", SPACE)


def test_a_journal_creates_its_folder(path):
    open_ledger(path).ask()
    assert path.is_file()


def test_every_line_has_a_checksum_that_optuna_ignores(path):
    ledger = open_ledger(path)
    train(ledger, 0.5, float("nan"))
    assert all(set(json.loads(line)) > {"crc", "op_code"} for line in path.read_text(encoding="utf-8").splitlines())
    plain = Ledger(JournalStorage(JournalFileBackend(str(path))), "search", SPACE)
    assert repr(plain.all()) == repr(ledger.all())


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines, b'{"op_code": 6, "worker'],
        lambda lines: [*lines, b"\0" * 4096],
        lambda lines: [*lines, b'{"op_code":5}\n'],  # sound JSON, but not ours: it has no checksum
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: [*lines[:-2], lines[-2].replace(b"0", b"1", 1), lines[-1][:-9] + b'x"}\n'],
    ],
)
def test_a_damaged_end_is_cut_off_copied_and_reported(path, damage):
    ledger = open_ledger(path)
    train(ledger, 0.5)
    train(ledger, 0.6)
    before = path.read_bytes()
    damaged = b"".join(damage(before.splitlines(keepends=True)))
    path.write_bytes(damaged)
    reported: list[str] = []
    open_journal(path, reported.append)
    (kept,) = path.parent.glob("*.cut-*")
    assert len(reported) == 1 and kept.name in reported[0] and "\n" not in reported[0]
    whole = path.read_bytes()
    assert damaged == whole + kept.read_bytes() and before.startswith(whole)
    seen = open_ledger(path, reported)
    assert seen.trial(0) == ledger.trial(0)
    for trial in seen.resume_unfinished():
        train(seen, number=trial.number)
    assert train(seen, 0.7) == 2 and open_ledger(path, reported).terminal() == 3 and len(reported) == 1


def test_a_second_cut_does_not_replace_the_first_copy(path):
    open_ledger(path).ask()
    for torn in (b"first", b"second"):
        with path.open("ab") as file:
            file.write(torn)
        assert truncate_damaged_tail(path) is not None
    assert [kept.read_bytes() for kept in sorted(path.parent.glob("*.cut-*"))] == [b"first", b"second"]


@pytest.mark.parametrize("line", [1, 4])
def test_damage_with_good_lines_after_it_is_refused(path, line):
    train(open_ledger(path), 0.5)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1].replace(b"op_code", b"0p_code")
    path.write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=f"damaged at line {line}, and good lines follow"):
        open_journal(path)
    assert path.read_bytes() == b"".join(lines) and not list(path.parent.glob("*.cut-*"))


def test_every_flipped_bit_is_detected(tmp_path):
    line = LINES.encode({"op_code": 6, "worker_id": "a", "trial_id": 1, "step": 2, "intermediate_value": 0.5})
    path = tmp_path / "journal"
    for position in range(len(line) * 8):
        flipped = bytearray(line)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(line + bytes(flipped) + line)
        if flipped.endswith(b"\n"):
            with pytest.raises(InputError, match="line 2"):
                truncate_damaged_tail(path)
        else:  # the line and the one after it have become one, which is the last
            assert truncate_damaged_tail(path) is not None and path.read_bytes() == line


def test_a_failed_write_leaves_no_half_of_a_line(path, monkeypatch):
    """A full disk takes a part of a line; the next line must not be glued to that part."""
    ledger = open_ledger(path)
    number = ledger.ask().number
    before = path.read_bytes()
    full = [True]
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if full:
            full.pop()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(journal_module.os, "fsync", failing)
    ledger.report(number, 1, 0.5)
    assert not full and path.read_bytes().startswith(before)
    assert open_ledger(path).trial(number).epochs == {1: 0.5} and truncate_damaged_tail(path) is None
    assert path.read_bytes().count(b'"step":1') == 1


def test_a_disk_that_stays_full_stops_the_sweep(path, monkeypatch):
    stopping, reported = threading.Event(), []
    ledger = Ledger(open_journal(path, reported.append, stopping), "search", SPACE)
    ledger._study._storage._storage._retry_seconds = 0.3
    number = ledger.ask().number
    before = path.read_bytes()

    def failing(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "fsync", failing)
        with pytest.raises(LedgerUnavailable, match="no space left on device"):
            ledger.report(number, 1, 0.5)
    assert stopping.is_set() and len(reported) == 1 and path.read_bytes() == before
    assert [trial.number for trial in open_ledger(path).resume_unfinished()] == [number]


def test_the_lock_of_a_dead_writer_does_not_block(path):
    open_ledger(path).ask()
    Path(f"{path}.lock").touch()
    done = []
    thread = threading.Thread(target=lambda: done.append(open_ledger(path).ask().number), daemon=True)
    thread.start()
    thread.join(20)
    assert done == [1]


def test_a_search_resumes_after_a_kill_at_any_line(path, tmp_path):
    """Parameters are written one by one, so a kill may leave a trial with some of them."""
    ledger = open_ledger(path)
    ledger.enqueue({**SPACE.default_params(), "lr": 2e-3})
    train(ledger, 0.5)
    train(ledger, 0.2, outcome=Outcome.PRUNED)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 15
    for count in range(len(lines) + 1):
        torn = tmp_path / f"{count}.journal"
        torn.write_bytes(b"".join(lines[:count]) + b'{"op_co')
        seen = open_ledger(torn)
        seen.set_sampler_and_pruner(build_sampler("tpe", 0), build_pruner("halving", 5))
        for trial in seen.resume_unfinished():
            SPACE.configuration(trial.params)
            train(seen, *([0.5] if 1 not in trial.epochs else []), number=trial.number)
        while seen.terminal() < 2:
            train(seen, 0.5)
        assert [trial.number for trial in seen.all()][:2] == [0, 1] and not seen.unfinished()
        if count >= 3:  # the line that enqueues
            assert seen.trial(0).params["lr"] == 2e-3
