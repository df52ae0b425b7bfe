"""Requests to stop a sweep that runs in the main thread of a program, and in another one."""

import threading

import pytest

from orchestrator.core.sweep_folder import LockOwner, Workspace, lock_sweep
from orchestrator.core.sweep_requests import RequestKind, read_answer, submit
from orchestrator.sweeps.request_poller import RequestPoller
from orchestrator.sweeps.signals import SignalHandler


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "made")
    with lock_sweep(workspace):
        yield workspace


def stop(workspace, signals, now):
    request = submit(workspace, LockOwner.read(workspace), RequestKind.STOP, {"now": now})
    RequestPoller(workspace, signals).poll()
    return read_answer(workspace, request)


def in_other_thread(make):
    made = []
    thread = threading.Thread(target=lambda: made.append(make()))
    thread.start()
    thread.join()
    return made[0]


@pytest.mark.parametrize(("now", "answer"), [(True, "It stops now."), (False, "It stops: its running epochs end")])
def test_a_stop_interrupts_the_main_thread(workspace, monkeypatch, now, answer):
    signals, sent = SignalHandler(), []
    monkeypatch.setattr("signal.pthread_kill", lambda thread, number: sent.append(thread))
    assert stop(workspace, signals, now).text.startswith(answer)
    assert sent == [threading.main_thread().ident] and signals.interrupts


@pytest.mark.parametrize("now", [True, False])
def test_a_stop_of_a_sweep_in_another_thread_does_not_promise_to_be_immediate(workspace, now):
    signals = in_other_thread(SignalHandler)
    answer = stop(workspace, signals, now)
    assert answer.accepted and answer.text.startswith("It stops after its running epochs or the encoding")
    assert signals.stopping.is_set() and not signals.interrupts
