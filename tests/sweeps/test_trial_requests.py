"""Requests to stop one trial, handled with a controller of which only the answers are there."""

import threading
from types import SimpleNamespace

import pytest

from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.core.sweep_requests import RequestKind, SweepRequest
from orchestrator.execution.job import Job
from orchestrator.sweeps.trial_requests import TrialRequestHandler


def ended(number):
    job = Job("search", number, "text_hyper", None, {}, {}, split=0, seed=0, test=False)
    return job, SimpleNamespace(outcome="complete")


def handler(said, **controller):
    controller = {"stopping": threading.Event(), "stop": lambda reason: None, **controller}
    recorder = SimpleNamespace(note_stop=lambda key, by: None)
    return TrialRequestHandler(SimpleNamespace(**controller), recorder, (), said.append)


def request(trial):
    return SweepRequest("1", RequestKind.STOP_TRIAL, {"trial": trial}, "ada", "node7", "", {})


def test_the_latest_trial_is_that_with_the_highest_number():
    known = [ended(number) for number in (10000, 9999, 2)]
    refusing = handler([], is_unfinished=lambda key: False, known=lambda: known)
    with pytest.raises(InputError, match="has not started trial-20000; its latest is trial-10000"):
        refusing.handle(request("trial-20000"))


def test_a_stop_that_the_ledger_does_not_take_is_not_announced():
    def stop_trial(key, by):
        raise LedgerUnavailable("The ledger does not answer.")

    said = []
    failing = handler(said, is_unfinished=lambda key: True, is_live=lambda key: False, stop_trial=stop_trial)
    with pytest.raises(InputError, match="does not answer"):
        failing.handle(request("trial-0001"))
    assert said == []
