"""Requests to a running sweep: each taken once, answered in a file, and dropped if it was to an earlier driver."""

import json
import os
import stat
import threading
import time

import pytest

from orchestrator.core import sweep_requests
from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import LockOwner, Workspace
from orchestrator.core.sweep_requests import RequestAnswer, RequestInbox, RequestKind, submit, wait_for_answer

DRIVER = LockOwner("node1", 17, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def inbox(workspace):
    return RequestInbox(workspace, DRIVER)


def ask(workspace, kind=RequestKind.PAUSE, driver=DRIVER, **arguments):
    return submit(workspace, driver, kind, arguments)


def pending(workspace):
    return [path.name for path in workspace.requests.glob("*.json")]


def handled(workspace, request):
    return json.loads((workspace.requests / "handled" / f"{request.id}.json").read_text(encoding="utf-8"))


def test_a_folder_without_requests_has_none(inbox, workspace):
    assert inbox.take() == [] and not workspace.requests.exists()


def test_requests_are_taken_once_in_their_order(workspace, inbox):
    made = [ask(workspace, RequestKind.PAUSE), ask(workspace, RequestKind.STOP, now=True)]
    assert inbox.take() == made and inbox.take() == []
    assert made[1].arguments == {"now": True} and "@" in made[0].by


def test_an_answer_moves_the_request(workspace, inbox):
    request = ask(workspace)
    assert wait_for_answer(workspace, request, 0.0) is None
    inbox.take()
    inbox.answer(request, RequestAnswer(True, "Paused.", {"trials": [3]}))
    assert wait_for_answer(workspace, request, 0.0) == RequestAnswer(True, "Paused.", {"trials": [3]})
    record = handled(workspace, request)
    assert pending(workspace) == [] and record["user"] == request.user and record["handled"]


def test_a_command_waits_for_the_answer_and_no_longer_than_the_driver_lives(workspace, inbox):
    workspace.holder.write_text(json.dumps(DRIVER.__dict__), encoding="utf-8")
    request = ask(workspace)
    timer = threading.Timer(0.2, lambda: inbox.answer(inbox.take()[0], RequestAnswer(True, "Paused.")))
    timer.start()
    assert wait_for_answer(workspace, request, 20.0) == RequestAnswer(True, "Paused.")
    workspace.holder.unlink()
    began = time.monotonic()
    assert wait_for_answer(workspace, ask(workspace), 20.0) is None and time.monotonic() - began < 5


def test_a_request_to_a_killed_driver_is_dropped_by_the_next_one(workspace, caplog):
    request = ask(workspace, RequestKind.STOP)
    later = RequestInbox(workspace, LockOwner("node1", 17, "2026-01-01T00:00:09+00:00"))
    assert later.take() == [] and pending(workspace) == []
    assert "had ended" in handled(workspace, request)["answer"] and "earlier run" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}', "[" * 100_000, None], ids=range(6))
def test_an_unreadable_request_is_set_aside(workspace, inbox, content, monkeypatch):
    monkeypatch.setattr(sweep_requests, "_MOST_BYTES", 200_000)
    good = ask(workspace)
    path = workspace.requests / "bad.json"
    path.write_text(" " * 300_000 if content is None else content, encoding="utf-8")
    (workspace.requests / ".draft.json.partial").write_text("{", encoding="utf-8")
    assert inbox.take() == [good] and inbox.take() == []
    assert (
        not path.exists()
        and not json.loads((path.parent / "handled" / "bad.json").read_text(encoding="utf-8"))["accepted"]
    )


def test_a_request_is_not_repeated_if_its_answer_cannot_be_written(workspace, inbox, monkeypatch, caplog):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    request = ask(workspace)
    assert inbox.take() == [request]
    monkeypatch.setattr(sweep_requests, "write_file", full)
    inbox.answer(request, RequestAnswer(True, "Paused."))
    assert inbox.take() == [] and "No space left" in caplog.text


def test_folders_have_the_permissions_of_the_sweep(workspace):
    workspace.root.chmod(0o2775)
    before = os.umask(0o077)
    try:
        ask(workspace)
    finally:
        os.umask(before)
    for folder in (workspace.requests, workspace.requests / "handled"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2775


def test_a_user_who_cannot_write_the_folder_is_refused(workspace, monkeypatch):
    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sweep_requests, "write_file", denied)
    with pytest.raises(InputError, match=r"takes no request from you, since its folder cannot be written"):
        ask(workspace)


def test_names_of_users_cannot_control_the_terminal(workspace, monkeypatch):
    monkeypatch.setattr(sweep_requests, "current_user", lambda: "ada\x1b[2J")
    assert "\x1b" not in ask(workspace).by
