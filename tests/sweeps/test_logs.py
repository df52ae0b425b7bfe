"""`sweeps logs`: a run's output in its folder, the sweep's own log, and runs that do not exist."""

import io
import threading
import time

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace, lock_sweep
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import load_space
from orchestrator.sweeps import logs
from orchestrator.sweeps.log_follower import LogFollower
from tests.commands import invoke


@pytest.fixture
def workspace(tmp_path):
    """Folder of a sweep whose first trial has ended and whose second one runs."""
    workspace = Workspace(tmp_path / "sweeps" / "made")
    workspace.root.mkdir(parents=True)
    build_spec({"name": "made"}).save(workspace.spec)
    ledger = Ledger(open_storage(None, workspace.ledger), "search", load_space("text_hyper"))
    ledger.ask(), ledger.ask()
    ledger.finish(0, Outcome.FAILED, error="Traceback …\nValueError: no")
    for number, text in ((0, "one\ntwo\nsee postgresql://me:word@host/db\n"), (1, "starts\n")):
        folder = workspace.trials / f"trial-{number:04d}"
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(text, encoding="utf-8")
    workspace.log.write_text("of the sweep\n", encoding="utf-8")
    return workspace


@pytest.mark.parametrize("run", ["trial-0000", "0", "trial 0", "trial-0"])
def test_log_of_a_run_has_no_password(workspace, tmp_path, run):
    assert invoke(tmp_path, "sweeps", "logs", "made", run).out == "one\ntwo\nsee postgresql://host/db\n"


def test_last_lines_and_the_sweep_s_own_log(workspace, tmp_path):
    assert invoke(tmp_path, "sweeps", "logs", "made", "0", "--lines", 2).out.splitlines()[0] == "two"
    assert invoke(tmp_path, "sweeps", "logs", "made").out == "of the sweep\n"


def test_error_of_the_ledger_stands_in_for_a_missing_log(workspace, tmp_path):
    (workspace.trials / "trial-0000" / "log.txt").unlink()
    assert invoke(tmp_path, "sweeps", "logs", "made", "0").out.endswith("ValueError: no\n")
    (workspace.trials / "trial-0001" / "log.txt").unlink()
    assert "There is no log of trial-0001" in invoke(tmp_path, "sweeps", "logs", "made", "1", code=2).err


def test_unknown_run_is_refused_with_near_matches(workspace, tmp_path):
    done = invoke(tmp_path, "sweeps", "logs", "made", "trail-0001", code=2)
    assert "Unknown run of made 'trail-0001': did you mean trial-0001" in done.err


def test_followed_log_ends_with_the_sweep(workspace, monkeypatch):
    monkeypatch.setattr(logs, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(logs, "CHECK_SECONDS", 0.05)
    log, out = workspace.trials / "trial-0001" / "log.txt", io.StringIO()
    reader = threading.Thread(target=logs.print_log, args=(workspace, "1", 0, True, out))
    with lock_sweep(workspace):
        reader.start()
        while not out.getvalue():
            time.sleep(0.01)
            with log.open("a", encoding="utf-8") as file:
                file.write("grows\n")
        assert reader.is_alive()
    reader.join(timeout=10)
    assert not reader.is_alive() and set(out.getvalue().splitlines()) == {"grows"}


def test_followed_log_of_an_ended_run_ends(workspace):
    with lock_sweep(workspace):
        logs.print_log(workspace, "0", None, True, out := io.StringIO())
    assert out.getvalue().startswith("one\ntwo\n")


def test_sweep_without_a_run_is_refused(tmp_path):
    (workspace := Workspace(tmp_path / "new")).root.mkdir()
    build_spec({"name": "new"}).save(workspace.spec)
    with pytest.raises(InputError, match="has no run yet"):
        logs.print_log(workspace, "3", None, False, io.StringIO())


def test_rotated_log_is_read_whole(tmp_path):
    path, earlier = tmp_path / "log.txt", tmp_path / "log.1.txt"
    path.write_text("a\n", encoding="utf-8")
    follower = LogFollower(path)
    assert follower.read() == "a\n" and follower.read() == ""
    with path.open("a", encoding="utf-8") as file:
        file.write("b\n")
    path.rename(earlier)
    path.write_text("c\n", encoding="utf-8")
    assert follower.read() == "b\nc\n"
    assert LogFollower(path).read() == "a\nb\nc\n"


def test_a_line_that_is_read_in_two_parts_is_printed_whole_and_without_its_password(tmp_path):
    path = tmp_path / "log.txt"
    line = "schön: postgresql://me:secret@host/db\n".encode()
    follower, printed = LogFollower(path), io.StringIO()
    for end in range(1, len(line) + 1):
        path.write_bytes(line[:end])
        logs._write(printed, follower.read())
    assert printed.getvalue() == "schön: postgresql://host/db\n"


def test_an_incomplete_last_line_is_printed_at_the_end(workspace):
    with (workspace.trials / "trial-0000" / "log.txt").open("a", encoding="utf-8") as file:
        file.write("without an end")
    for follow in (False, True):
        logs.print_log(workspace, "0", None, follow, out := io.StringIO())
        assert out.getvalue().endswith("host/db\nwithout an end")
