"""The session of an executor in its own thread."""

import threading
from contextlib import contextmanager

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.execution.session_thread import SessionThread


class Executor:
    def __init__(self):
        self.may_open, self.events = threading.Event(), []

    @contextmanager
    def session(self, spec):
        assert self.may_open.wait(20)
        self.events.append(("open", threading.current_thread().name))
        yield
        self.events.append(("close", threading.current_thread().name))


@pytest.fixture
def executor():
    return Executor()


def session_of(executor):
    return SessionThread(lambda: executor, build_spec({"name": "made"}))


def test_it_opens_in_another_thread_and_closes_in_the_thread_that_opened_it(executor):
    with session_of(executor) as session:
        session.start()
        assert not executor.events
        executor.may_open.set()
        session.wait()
        assert executor.events == [("open", "executor-session")]
    assert executor.events == [("open", "executor-session"), ("close", "executor-session")]


def test_a_session_that_was_never_begun_is_never_opened(executor):
    with session_of(executor):
        pass
    assert not executor.events


def test_an_error_in_the_main_thread_closes_a_session_that_still_opens(executor):
    with pytest.raises(KeyboardInterrupt), session_of(executor) as session:
        session.start()
        threading.Timer(0.1, executor.may_open.set).start()
        raise KeyboardInterrupt
    assert [event for event, _ in executor.events] == ["open", "close"]


def test_it_closes_while_the_main_thread_continues(executor):
    executor.may_open.set()
    with session_of(executor) as session:
        session.wait()
        session.request_close()
        session._thread.join(20)
        assert [event for event, _ in executor.events] == ["open", "close"]


def test_wait_raises_what_kept_it_from_opening(executor):
    def session(spec):
        raise InputError("No Ray cluster answers.")

    executor.session = session
    with pytest.raises(InputError, match="No Ray cluster answers"), session_of(executor) as opened:
        opened.wait()
