"""Status of sweeps, from their folders."""

import io
import json
import os
import subprocess

import pytest
import yaml
from rich.console import Console

from orchestrator.core.sweep_folder import lock_sweep
from orchestrator.sweeps.archive import archive_sweep
from orchestrator.sweeps.listing import print_list
from orchestrator.sweeps.sweep_status import State, standings


def by_name(out):
    return {one.name: one for one in standings(out)}


def test_every_word(make, out):
    make("new")
    make("stopped", trials=2)
    make("done", trials=3, finished=True)
    archive_sweep(make("put-away", trials=3, finished=True))
    with lock_sweep(make("busy", trials=2)):
        found = by_name(out)
        assert {name: str(one.state) for name, one in found.items()} == {
            "new": "unfinished",
            "stopped": "interrupted",
            "done": "finished",
            "put-away": "archived",
            "busy": "running",
        }
        assert found["busy"].holder.pid == os.getpid() and "since" in str(found["busy"].holder)
    assert by_name(out)["busy"].state is State.INTERRUPTED
    assert (found["stopped"].trials, found["stopped"].budget, found["stopped"].test_srcc) == (1, 3, None)
    for name in ("done", "put-away"):
        assert (found[name].trials, found[name].test_srcc, found[name].variant) == (3, 0.61234, "text_hyper")
    assert json.loads(json.dumps([one.as_dict() for one in found.values()]))


def test_a_holder_that_was_killed_runs_nothing_even_if_its_number_is_taken_again(make, out):
    workspace = make("killed", trials=2)
    gone = subprocess.Popen(["true"])
    gone.wait()
    import socket

    for pid in (gone.pid, os.getpid()):
        workspace.holder.write_text(
            json.dumps({"host": socket.gethostname(), "pid": pid, "since": "then"}), encoding="utf-8"
        )
        assert by_name(out)["killed"].state is State.INTERRUPTED
    workspace.holder.write_text("{", encoding="utf-8")
    assert by_name(out)["killed"].state is State.INTERRUPTED


def test_what_is_damaged_does_not_hide_the_rest(make, out):
    make("fine", trials=3, finished=True)
    make("spec").spec.write_text("schema_version: [", encoding="utf-8")
    make("newer").spec.write_text("schema_version: 99\n", encoding="utf-8")
    workspace = make("ledger", trials=2)
    workspace.ledger.write_bytes(b"{broken\n" + workspace.ledger.read_bytes())
    make("result", trials=3, finished=True).result.write_text("{", encoding="utf-8")
    (out / "archive").mkdir()
    (out / "archive" / "torn.tar.gz").write_bytes(b"\x1f\x8b\x08 not much")
    found = by_name(out)
    damaged = {name for name, one in found.items() if one.state is State.DAMAGED}
    assert damaged == {"spec", "newer", "ledger", "result", "torn"} and found["fine"].state is State.FINISHED
    assert all(found[name].reason for name in damaged) and "newer HyperAssess" in found["newer"].reason


@pytest.mark.parametrize("width", [80, 140])
def test_in_the_list_no_word_is_torn(make, out, width):
    workspace = make("of-a-name-that-is-rather-long", trials=3, finished=True)
    spec = yaml.safe_load(workspace.spec.read_text(encoding="utf-8"))
    workspace.spec.write_text(
        yaml.safe_dump(spec | {"dataset": f"csv:/{'a-folder/' * 20}ratings.csv"}), encoding="utf-8"
    )
    archive_sweep(workspace)
    said = io.StringIO()
    print_list(out, Console(file=said, width=width))
    assert all(word in said.getvalue() for word in ("archived", "ratings.csv"[: width // 20], "3/3", "0.6123"))
    assert len(said.getvalue().splitlines()) == 2


def test_looking_changes_nothing(make, out):
    workspace = make("stopped", trials=2)
    with workspace.ledger.open("ab") as file:
        file.write(b'{"half')
    before = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    assert by_name(out)["stopped"].trials == 1
    assert {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()} == before
